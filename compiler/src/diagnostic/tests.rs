//! Every format over the same sample. Read a snapshot before you accept it.

mod formats;

use super::*;
use crate::source::{Position, Source, Sources};

fn sources() -> Sources {
    let mut sources = Sources::default();
    sources.push(Source::new(
        "shop/api.yaml",
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: api\nspec:\n  egress:\n  - ports:\n    - port: http\n",
    ));
    sources.push(Source::new(
        "shop/web.yaml",
        "ports:\n- name: http # é 漢\n  containerPort: 8080\n---\nports:\n- name: http\n  containerPort: 80\n",
    ));
    sources.push(Source::new(
        "evil\u{1b}[2J.yaml",
        "a:\t\u{202e}b \u{9b}31m\r\nc: d\r\n",
    ));
    sources
}

fn at(file: &str, start: (u32, u32), end: (u32, u32), path: &str) -> Origin {
    Origin {
        file: file.into(),
        document: 0,
        line: start.0,
        column: start.1,
        end_line: end.0,
        end_column: end.1,
        path: path.into(),
    }
}

fn sample() -> Vec<Finding> {
    let collision = Finding::new(
        Code::NAMED_PORT_MANY_NUMBERS,
        "`http` means 8080 on some pods and 80 on others",
    )
    .help("give the ports different names, or write the numbers")
    .at(
        at("shop/api.yaml", (8, 13), (8, 17), "spec.egress[0].ports[0].port"),
        "used here",
    )
    .because(
        at("shop/web.yaml", (3, 18), (3, 22), "ports[0].containerPort"),
        "`http` is 8080 here",
    )
    .because(
        at("shop/web.yaml", (7, 18), (7, 20), "ports[0].containerPort"),
        "and 80 here",
    )
    .about(ObjectName {
        kind: "NetworkPolicy".into(),
        namespace: Some("shop".into()),
        name: "api".into(),
    })
    .witness(Witness {
        from: "shop/web".into(),
        to: "shop/api".into(),
        protocol: "TCP".into(),
        port: Some(8080),
    });
    let lines = Finding::new(Code::RULE_REDUNDANT, "other rules allow all of this").at(
        at("shop/api.yaml", (7, 5), (8, 17), "spec.egress[0]"),
        "this rule",
    );
    let hostile = Finding::new(Code::UNKNOWN_FIELD, "unknown field `\u{1b}]0;title\u{7}`")
        .help("not\u{202e}this\nnor this")
        .at(at("evil\u{1b}[2J.yaml", (2, 4), (2, 5), "c"), "\u{9b}2J")
        .fix(
            Fix::safe("write `[x](y)\u{1b}[2J`")
                .replace(at("evil\u{1b}[2J.yaml", (2, 4), (2, 5), "c"), "\u{9b}2J\u{202e}")
                .replace(at("shop/api.yaml", (4, 3), (4, 3), "metadata.name"), "a: b\r\n"),
        )
        .fix(Fix::suggestion("swap the two").replace(at("shop/api.yaml", (4, 3), (4, 7), "metadata"), "name"))
        .blocking();
    let nowhere = Finding::new(
        Code::NAMESPACE_WITHOUT_DEFAULT_DENY,
        "namespace `shop` has no default deny",
    );
    let elsewhere = Finding::new(Code::PEER_SELECTS_NOTHING, "no pod matches")
        .at(Origin::synthetic("not-loaded.yaml"), "this peer");
    let markup = Finding::new(
        Code::REFERENCE_NOT_IN_INPUT,
        "`\n::error::a%0Ab]]></failure><script>```\n# h @team [a](1)`",
    )
    .because(
        at("shop/api.yaml", (4, 9), (4, 12), "metadata.name"),
        "[b](2) & `` ` ``",
    )
    .at(
        at("a,b:c<&>`'\"%20 [d](3).yaml", (3, 1), (3, 4), "x"),
        "::warning::\\",
    );
    let accepted = Finding::new(Code::DNS_FORGOTTEN, "DNS is not allowed")
        .at(
            at("shop/api.yaml", (6, 3), (6, 9), "spec.egress"),
            "restricted here",
        )
        .accepted("resolves nothing\n::error::\u{1b}[2J <b>", AcceptedBy::Comment);
    let mut findings = vec![
        elsewhere,
        nowhere,
        hostile.clone(),
        lines,
        accepted,
        markup,
        collision,
        hostile,
    ];
    sort(&mut findings);
    findings
}

fn human(options: human::Options) -> String {
    let mut out = Vec::new();
    human::write(&mut out, &sample(), &sources(), options).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn people_see_the_lines() {
    insta::assert_snapshot!(human(human::Options::default()));
}

#[test]
fn narrow_terminals_wrap() {
    let width = 50;
    let text = human(human::Options { color: false, width });
    insta::assert_snapshot!(text);
}

#[test]
fn programs_see_every_field() {
    let (sample, sources) = (sample(), sources());
    let text = formats::written(json::write, &formats::report(&sample, &sources));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let messages: Vec<_> = value["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| &finding["message"])
        .collect();
    let original: Vec<_> = sample.into_iter().map(|finding| finding.message).collect();
    assert_eq!(
        messages,
        original.iter().collect::<Vec<_>>(),
        "escaping must not change the value"
    );
    insta::assert_snapshot!(text);
}

#[test]
fn no_format_lets_manifests_drive_the_terminal() {
    let (sample, sources) = (sample(), sources());
    let json = formats::written(json::write, &formats::report(&sample, &sources));
    for text in [human(human::Options::default()), json] {
        let active: Vec<_> = text
            .chars()
            .filter(|&c| c != '\n' && escape::is_active(c))
            .collect();
        assert!(active.is_empty(), "{active:?}");
    }
    // With colours, the only escapes are the renderer's own.
    let coloured = human(human::Options {
        color: true,
        width: 100,
    });
    assert!(coloured.contains("\u{1b}["));
    assert!(
        !coloured.contains("\u{1b}[2J") && !coloured.contains('\u{9b}') && !coloured.contains('\u{202e}')
    );
}

#[test]
fn order_and_repetition_of_findings_do_not_matter() {
    let mut reversed: Vec<_> = sample().into_iter().rev().collect();
    reversed.extend(sample());
    sort(&mut reversed);
    assert_eq!(reversed, sample());
    assert_eq!(
        human::summary(Counts::of(&reversed)),
        "1 error, 3 warnings, 2 notes, 1 accepted"
    );
    assert_eq!(human::summary(Counts::default()), "no findings");
}

#[test]
fn long_lines_are_cut_around_the_label() {
    let mut sources = Sources::default();
    let text = format!(
        "{{\"a\":[{}],\"needle\":\"é\",\"b\":[{}]}}\nend\n",
        "1,".repeat(500) + "1",
        "2,".repeat(500) + "2"
    );
    let column = u32::try_from(text.chars().position(|c| c == 'n').unwrap()).unwrap();
    sources.push(Source::new("min.json", &text));
    let finding = Finding::new(Code::UNKNOWN_FIELD, "unknown field `needle`")
        .at(
            at("min.json", (1, column), (1, column + 8), "needle"),
            "not a field here",
        )
        .because(at("min.json", (1, 2), (1, 5), "a"), "far in front")
        .because(
            at("min.json", (1, column + 300), (1, column + 305), "b"),
            "far behind",
        );
    let near = Finding::new(Code::UNKNOWN_FIELD, "unknown field `needle`").at(
        at("min.json", (1, column), (1, column + 8), "needle"),
        "not a field here",
    );
    let mut out = Vec::new();
    human::write(&mut out, &[near, finding], &sources, human::Options::default()).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}

/// A finding of line 20 that line 2 explains.
fn explained_from_above(options: human::Options) -> String {
    let mut sources = Sources::default();
    sources.push(Source::new("a.yaml", &"- port: http\n".repeat(30)));
    let finding = Finding::new(Code::NAMED_PORT_UNDEFINED, "no pod defines it")
        .because(
            at("a.yaml", (2, 9), (2, 13), ""),
            "the pods of the catalog and of everything else that this policy selects call it by another name",
        )
        .at(at("a.yaml", (20, 9), (20, 13), ""), "did you mean `web`?");
    let mut out = Vec::new();
    human::write(&mut out, &[finding], &sources, options).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_finding_opens_with_its_own_place() {
    let text = explained_from_above(human::Options::default());
    let places: Vec<_> = text.lines().filter(|line| line.contains("─[")).collect();
    assert_eq!(places, ["    ╭─[a.yaml:20:9]", "   ╭─[a.yaml:2:9]"]);
}

#[test]
fn a_place_has_the_colour_of_its_severity_and_what_explains_it_another() {
    let (color, width) = (true, 100);
    let text = explained_from_above(human::Options { color, width });
    assert!(text.contains("\u{1b}[31;1mdid you mean"), "{text:?}");
    assert!(text.contains("\u{1b}[36mthe pods"), "{text:?}");
}

#[test]
fn labels_keep_to_the_width_and_words_whole() {
    let (color, width) = (false, 60);
    let text = explained_from_above(human::Options { color, width });
    let longest = text.lines().map(|line| line.chars().count()).max();
    assert!(longest.is_some_and(|longest| longest <= width), "{text}");
    assert!(text.contains("that this policy"), "{text}");
}

#[test]
fn labels_of_any_place_are_drawn_without_failing() {
    let sources = sources();
    for line in 0..12 {
        for column in [0, 1, 4, 60, u32::MAX] {
            for (end_line, end_column) in [(line, column), (line + 1, 1), (0, 0), (u32::MAX, u32::MAX)] {
                let origin = at("shop/web.yaml", (line, column), (end_line, end_column), "");
                let finding = Finding::new(Code::WRONG_TYPE, "x").at(origin, "here");
                let mut out = Vec::new();
                human::write(&mut out, &[finding], &sources, human::Options::default()).unwrap();
                assert!(
                    !String::from_utf8(out).unwrap().contains("Failed to read"),
                    "{line}:{column}"
                );
            }
        }
    }
    let position = Position { line: 1, column: 1 };
    assert_eq!(
        sources.by_name("shop/web.yaml").unwrap().offset(position),
        Some(0)
    );
}
