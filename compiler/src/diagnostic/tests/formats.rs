//! What must hold of every format, whatever manifests say: on the sample, and on generated text.

use super::*;
use crate::diagnostic::report::Report;
use crate::diagnostic::{github, gitlab, junit, markdown, sarif};
use crate::source::STDIN;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::LazyLock;

static REPOSITORY: LazyLock<Repository> = LazyLock::new(|| Repository::new("/repository", "/repository"));

pub(super) fn report<'a>(findings: &'a [Finding], sources: &'a Sources) -> Report<'a> {
    Report {
        findings,
        sources,
        scope: json::Scope {
            files: 3,
            objects: 2,
            skipped: 1,
        },
        fail_on: Some(Severity::Warning),
        successful: true,
        undecided: &[],
        repository: &REPOSITORY,
    }
}

pub(super) type Writer = fn(&mut dyn std::io::Write, &Report<'_>) -> std::io::Result<()>;

pub(super) fn written(write: Writer, report: &Report<'_>) -> String {
    let mut out = Vec::new();
    write(&mut out, report).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn sarif_of_the_sample() {
    let (sample, sources) = (sample(), sources());
    let text = written(sarif::write, &report(&sample, &sources));
    let mut log: Value = serde_json::from_str(&text).unwrap();
    // The registry and the version change without the format.
    log["runs"][0]["tool"] = Value::Null;
    insta::assert_snapshot!(serde_json::to_string_pretty(&log).unwrap());
}

#[test]
fn sarif_says_how_a_finding_is_accepted_where_one_can_be() {
    let sources = sources();
    let log: Value = serde_json::from_str(&written(sarif::write, &report(&[], &sources))).unwrap();
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    let told = |code: &str| {
        let rule = rules.iter().find(|rule| rule["id"] == code).unwrap();
        rule["help"]["markdown"]
            .as_str()
            .unwrap()
            .contains(&format!("allow[{code}]"))
    };
    for (code, expected) in [
        ("PC101", false),
        ("PC102", true),
        ("PC107", true),
        ("PC211", true),
        ("PC126", false),
        ("PC201", true),
        ("PC401", true),
    ] {
        assert_eq!(told(code), expected, "{code}");
    }
}

#[test]
fn junit_of_the_sample() {
    let (sample, sources) = (sample(), sources());
    insta::assert_snapshot!(written(junit::write, &report(&sample, &sources)));
}

#[test]
fn github_of_the_sample() {
    let (sample, sources) = (sample(), sources());
    insta::assert_snapshot!(written(github::write, &report(&sample, &sources)));
}

#[test]
fn gitlab_of_the_sample() {
    let (sample, sources) = (sample(), sources());
    insta::assert_snapshot!(written(gitlab::write, &report(&sample, &sources)));
}

#[test]
fn markdown_of_the_sample() {
    let (sample, sources) = (sample(), sources());
    insta::assert_snapshot!(written(markdown::write, &report(&sample, &sources)));
}

#[test]
fn accepted_findings_for_people() {
    let mut out = Vec::new();
    human::write_accepted(&mut out, &sample()).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}

#[test]
fn every_format_of_the_sample_is_sound() {
    let (sample, sources) = (sample(), sources());
    assert_sound(&report(&sample, &sources));
    assert_sound(&report(&[], &Sources::default()));
}

#[test]
fn every_format_is_sound_where_a_tool_made_the_places() {
    let (mut sample, sources) = (sample(), sources());
    for label in sample.iter_mut().flat_map(|finding| &mut finding.labels) {
        label.template = Some("shop/templates/\u{1b}[31m::error::<b>.yaml".into());
    }
    assert_sound(&report(&sample, &sources));
}

/// In every format; an annotation without a file also says where.
#[test]
fn what_a_tool_made_from_a_template_names_it() {
    let mut sources = Sources::default();
    sources.push(Source::new(STDIN, "a: b\n"));
    let mut finding =
        Finding::new(Code::UNKNOWN_FIELD, "unknown field `a`").at(at(STDIN, (1, 1), (1, 2), "a"), "");
    finding.labels[0].template = Some("shop/templates/policy.yaml".into());
    let findings = [finding];
    let report = report(&findings, &sources);
    assert_sound(&report);
    for text in [
        written(json::write, &report),
        written(sarif::write, &report),
        written(junit::write, &report),
        written(github::write, &report),
        written(gitlab::write, &report),
        written(markdown::write, &report),
    ] {
        assert!(text.contains("shop/templates/policy.yaml"), "{text}");
    }
    let annotation = written(github::write, &report);
    assert!(annotation.ends_with("%0Aat <stdin>:1:1\n"), "{annotation}");
}

#[test]
fn a_run_that_failed_says_so() {
    let (sample, sources) = (sample(), sources());
    let undecided = ["whether `a` is needed".to_owned()];
    let failed = Report {
        successful: false,
        undecided: &undecided,
        ..report(&sample, &sources)
    };
    let log: Value = serde_json::from_str(&written(sarif::write, &failed)).unwrap();
    let invocation = &log["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let notification = &invocation["toolExecutionNotifications"][0]["message"]["text"];
    assert_eq!(notification, "whether `a` is needed");
    assert!(written(markdown::write, &failed).contains("A refused input"));
}

#[test]
fn a_run_that_is_incomplete_says_so() {
    let (sample, sources) = (sample(), sources());
    let undecided = [
        "whether `a`\n::error::<b> is needed is not known",
        "whether `b` is",
    ]
    .map(str::to_owned);
    let incomplete = Report {
        undecided: &undecided,
        ..report(&sample, &sources)
    };
    assert_sound(&incomplete);
    let value: Value = serde_json::from_str(&written(json::write, &incomplete)).unwrap();
    assert_eq!(value["incomplete"], serde_json::json!(undecided));
    let log: Value = serde_json::from_str(&written(sarif::write, &incomplete)).unwrap();
    let notifications = &log["runs"][0]["invocations"][0]["toolExecutionNotifications"];
    assert_eq!(notifications.as_array().unwrap().len(), 2);
    let page = written(markdown::write, &incomplete);
    let sentence = "\nIncomplete: the solver gave up on 2 questions.\n";
    assert!(page.contains(sentence), "{page}");
    let annotations = written(github::write, &incomplete);
    let first = "::warning title=incomplete::the solver gave up on 2 questions%0Awhether `a`";
    assert!(annotations.starts_with(first), "{annotations}");
    let suites = written(junit::write, &incomplete);
    assert!(
        suites.contains(r#"<error type="incomplete" message="whether `b` is"/>"#),
        "{suites}"
    );
}

#[test]
fn a_comment_is_never_longer_than_one_can_be() {
    let sources = sources();
    let one = sample().into_iter().find(Finding::counts).unwrap();
    let many = vec![one; 5_000];
    let text = written(markdown::write, &report(&many, &sources));
    assert!(text.len() < 65_536, "{}", text.len());
    let (_, rest) = text.rsplit_once("\nand ").unwrap();
    let shown = text.matches("\n**").count();
    assert!(
        rest.starts_with(&format!("{} more: ", 5_000 - shown)),
        "the others are counted: {rest}"
    );
}

#[test]
fn a_comment_has_the_worst_first_and_leaves_out_no_more_than_does_not_fit() {
    let sources = sources();
    let of = |severity, message: String| Finding {
        severity,
        ..Finding::new(Code::UNKNOWN_FIELD, message)
    };
    let findings = [
        of(Severity::Note, "a note".to_owned()),
        of(Severity::Error, "long ".repeat(20_000)),
        of(Severity::Warning, "a warning".to_owned()),
        of(Severity::Error, "an error".to_owned()),
    ];
    let text = written(markdown::write, &report(&findings, &sources));
    let shown: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("  ×") || line.starts_with("  ⚠") || line.starts_with("  ☞"))
        .collect();
    assert_eq!(shown, ["  × an error", "  ⚠ a warning", "  ☞ a note"], "{text}");
    assert!(text.ends_with("\nand 1 more: 1 error.\n"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_format_of_generated_text_is_sound(
        texts in proptest::collection::vec(hostile_text(), 7),
        place in (0_u32..6, 0_u32..9, 0_u32..6, 0_u32..9),
        accepted in any::<bool>(),
    ) {
        let mut sources = sources();
        sources.push(Source::new(&*texts[0], &texts[1]));
        let (line, column, end_line, end_column) = place;
        let origin = at(&texts[0], (line + 1, column + 1), (end_line + 1, end_column + 1), &texts[2]);
        let mut finding = Finding::new(Code::NAMED_PORT_MANY_NUMBERS, &*texts[3])
            .help(&*texts[4])
            .at(origin.clone(), &*texts[5])
            .because(origin, &*texts[6])
            .about(ObjectName { kind: texts[2].clone(), namespace: Some(texts[3].clone()), name: texts[4].clone() })
            .engines(Engines {
                kubernetes: texts[0].clone(),
                cilium_1_20: texts[1].clone(),
                cilium_1_19: texts[2].clone(),
            })
            .witness(Witness { from: texts[5].clone(), to: texts[6].clone(), protocol: "TCP".into(), port: None });
        if accepted {
            finding = finding.accepted(&*texts[1], AcceptedBy::Comment);
        }
        assert_sound(&report(&[finding], &sources));
    }
}

/// Pieces that mean something to one of the formats, between any characters.
fn hostile_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n::set-output name=a::b\n".to_owned()),
        Just(" ##[add-mask]e".to_owned()),
        Just("%0A%25".to_owned()),
        Just("]]></failure><!--".to_owned()),
        Just("<script>&amp;\"'".to_owned()),
        Just("```\n# h\n~~~".to_owned()),
        Just("`` ` ".to_owned()),
        Just("[a](1) \\[ @all #1 https://a.example".to_owned()),
        Just("\u{1b}]0;t\u{7}\u{9b}2J\u{202e}\r\n\t\u{0}\u{fffe}".to_owned()),
        any::<String>(),
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn assert_sound(report: &Report<'_>) {
    json_is_as_published(&written(json::write, report));
    sarif_is_as_published(report, &written(sarif::write, report));
    junit_is_xml(report, &written(junit::write, report));
    github_has_only_our_commands(report, &written(github::write, report));
    gitlab_has_its_fields(report, &written(gitlab::write, report));
    markdown_shows_text_as_code_only(&written(markdown::write, report));
    let human = |options| {
        let mut out = Vec::new();
        human::write(&mut out, report.findings, report.sources, options).unwrap();
        human::write_accepted(&mut out, report.findings).unwrap();
        String::from_utf8(out).unwrap()
    };
    for text in [
        human(human::Options::default()),
        written(json::write, report),
        written(sarif::write, report),
        written(junit::write, report),
        written(github::write, report),
        written(gitlab::write, report),
        written(markdown::write, report),
    ] {
        let active: Vec<_> = text
            .chars()
            .filter(|&c| !matches!(c, '\n' | '\t') && escape::is_active(c))
            .collect();
        assert!(active.is_empty(), "{active:?}");
        assert!(!text.contains("##["), "{text}");
    }
    for text in [
        human(human::Options::default()),
        written(junit::write, report),
        written(markdown::write, report),
    ] {
        let command = text
            .lines()
            .find(|line| escape::is_command(line.trim_start(), true));
        assert_eq!(command, None, "{text}");
    }
}

/// The published schema is open, so that fields can be added; what is written must be described all the same.
fn closed(mut schema: Value) -> Value {
    fn close(value: &mut Value) {
        match value {
            Value::Object(object) => {
                if object.get("properties").is_some_and(Value::is_object) && object.contains_key("type") {
                    object.insert("additionalProperties".to_owned(), false.into());
                }
                object.values_mut().for_each(close);
            }
            Value::Array(array) => array.iter_mut().for_each(close),
            _ => {}
        }
    }
    close(&mut schema);
    schema
}

fn assert_valid(validator: &jsonschema::Validator, text: &str) -> Value {
    let value: Value = serde_json::from_str(text).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    value
}

fn json_is_as_published(text: &str) {
    static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let text = include_str!("../../../../docs/schemas/check.v1.json");
        jsonschema::validator_for(&closed(serde_json::from_str(text).unwrap())).unwrap()
    });
    assert_valid(&SCHEMA, text);
}

fn sarif_is_as_published(report: &Report<'_>, text: &str) {
    static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let text = include_str!("../../../../testdata/schemas/sarif-2.1.0.json");
        // A regular expression with a bracket too many, which only JavaScript forgives.
        let text = text.replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$");
        let schema = serde_json::from_str(&text).unwrap();
        jsonschema::validator_for(&schema).unwrap()
    });
    let log = assert_valid(&SCHEMA, text);
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), code::REGISTRY.len());
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), report.findings.len());
    for (result, finding) in results.iter().zip(report.findings) {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert_eq!(result["ruleId"], finding.code.to_string());
        let location = &result["locations"][0]["physicalLocation"];
        let region = &location["region"];
        assert_eq!(region["startLine"], region["endLine"], "one line");
        assert!(region["startColumn"].as_u64() <= region["endColumn"].as_u64());
        let uri = location["artifactLocation"]["uri"].as_str().unwrap();
        assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri}");
        let fingerprints = result["partialFingerprints"].as_object().unwrap();
        let hash = fingerprints.get("primaryLocationLineHash");
        let is_hash = |text: &str| {
            text.split_once(':')
                .is_some_and(|(hash, count)| !hash.is_empty() && count.parse::<u32>().is_ok())
        };
        assert!(
            hash.is_none_or(|hash| hash.as_str().is_some_and(is_hash)),
            "{hash:?}"
        );
        assert_eq!(
            result["suppressions"].as_array().unwrap().len(),
            usize::from(!finding.counts())
        );
        let links = links(result["message"]["text"].as_str().unwrap());
        let ids: Vec<_> = result["relatedLocations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|location| location["id"].to_string())
            .collect();
        assert_eq!(
            links, ids,
            "the message links each place that explains it, and nothing else"
        );
    }
}

/// The targets of the links in a SARIF message.
fn links(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    let mut characters = text.chars().peekable();
    let mut open = false;
    while let Some(c) = characters.next() {
        match c {
            '\\' => {
                characters.next();
            }
            '[' => open = true,
            ']' if open && characters.peek() == Some(&'(') => {
                open = false;
                targets.push(characters.by_ref().skip(1).take_while(|&c| c != ')').collect());
            }
            _ => {}
        }
    }
    targets
}

fn junit_is_xml(report: &Report<'_>, text: &str) {
    let document = roxmltree::Document::parse(text).unwrap();
    let named = |name: &str| {
        let elements = document.descendants().filter(|node| node.has_tag_name(name));
        elements.count()
    };
    let root = document.root_element();
    let number = |name: &str| root.attribute(name).unwrap().parse::<usize>().unwrap();
    let skipped = root.children().filter_map(|suite| suite.attribute("skipped"));
    let skipped: usize = skipped.map(|skipped| skipped.parse::<usize>().unwrap()).sum();
    let failing = report
        .findings
        .iter()
        .filter(|finding| report.fails(finding))
        .count();
    let accepted = report.findings.len() - report.counting().count();
    assert_eq!((number("failures"), named("failure")), (failing, failing));
    assert_eq!((skipped, named("skipped")), (accepted, accepted));
    let undecided = report.undecided.len();
    assert_eq!((number("errors"), named("error")), (undecided, undecided));
    assert_eq!(number("tests"), named("testcase"));
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        // What the schema of Jenkins, which others go by, has.
        let known: &[&str] = match node.tag_name().name() {
            "testsuites" => &["name", "tests", "failures", "errors"],
            "testsuite" => &["name", "tests", "failures", "errors", "skipped"],
            "testcase" => &["classname", "name"],
            "failure" | "error" => &["type", "message"],
            "skipped" => &["message"],
            "system-out" => &[],
            other => panic!("no element of JUnit: {other}"),
        };
        for attribute in node.attributes() {
            assert!(known.contains(&attribute.name()), "{attribute:?}");
        }
    }
}

fn github_has_only_our_commands(report: &Report<'_>, text: &str) {
    let lines: Vec<_> = text.split_terminator('\n').collect();
    let of_the_run = usize::from(!report.undecided.is_empty());
    assert_eq!(lines.len(), of_the_run + report.counting().count(), "{text}");
    for (line, finding) in lines.iter().skip(of_the_run).zip(report.counting()) {
        let (command, rest) = line.split_once(' ').unwrap();
        assert!(["::error", "::warning", "::notice"].contains(&command), "{line}");
        let (properties, data) = rest.split_once("::").unwrap();
        let keys: Vec<_> = properties
            .split(',')
            .map(|property| property.split_once('=').unwrap().0)
            .collect();
        assert!(
            keys == ["title"]
                || keys == ["file", "line", "col", "endColumn", "title"]
                || keys == ["file", "line", "endLine", "title"],
            "{line}"
        );
        let decoded = data.replace("%0A", "\n").replace("%25", "%");
        let text = escape::message(&report.text(finding)).into_owned();
        let rest = decoded.strip_prefix(&text).unwrap();
        let place = finding.primary().map(|label| &label.origin);
        match place.filter(|origin| &*origin.file == STDIN) {
            Some(origin) => assert_eq!(rest, format!("\nat {origin}")),
            None => assert_eq!(rest, ""),
        }
    }
}

fn gitlab_has_its_fields(report: &Report<'_>, text: &str) {
    let issues: Value = serde_json::from_str(text).unwrap();
    let issues = issues.as_array().unwrap();
    assert_eq!(issues.len(), report.counting().count());
    let mut fingerprints = BTreeSet::new();
    for issue in issues {
        for field in ["description", "check_name", "fingerprint", "severity"] {
            assert!(issue[field].is_string(), "{field}");
        }
        let severity = issue["severity"].as_str().unwrap();
        assert!(["info", "minor", "major", "critical", "blocker"].contains(&severity));
        assert!(issue["location"]["path"].is_string());
        assert!(issue["location"]["lines"]["begin"].as_u64().unwrap() >= 1);
        assert!(fingerprints.insert(issue["fingerprint"].to_string()), "unique");
    }
}

/// Takes away fenced blocks and code spans as CommonMark reads them; what is left can only be ours.
fn markdown_shows_text_as_code_only(text: &str) {
    let mut outside = String::new();
    let mut fence: Option<usize> = None;
    for line in text.split('\n') {
        let ticks = line.chars().take_while(|&c| c == '`').count();
        match fence {
            Some(open) => {
                if ticks >= open && line.trim_end().len() == ticks {
                    fence = None;
                }
            }
            None if ticks >= 3 && !line[ticks..].contains('`') => fence = Some(ticks),
            None => {
                outside.push_str(&without_spans(line));
                outside.push('\n');
            }
        }
    }
    assert_eq!(fence, None, "a block that is not closed");
    let ours = |c: char| c.is_ascii_alphanumeric() || "#*:,.;- \n".contains(c);
    assert!(outside.chars().all(ours), "{outside}");
    let lines = outside.lines().filter(|line| !line.is_empty());
    for line in lines {
        assert!(
            line.starts_with("### Portcullis: ")
                || line.starts_with("**")
                || line.starts_with("and ")
                || line.starts_with("The input is not")
                || line.starts_with("Incomplete"),
            "{line}"
        );
    }
}

fn without_spans(line: &str) -> String {
    let mut rest = line;
    let mut outside = String::new();
    while let Some(start) = rest.find('`') {
        outside.push_str(&rest[..start]);
        let ticks = rest[start..].chars().take_while(|&c| c == '`').count();
        let behind = &rest[start + ticks..];
        let mut from = 0;
        let end = loop {
            let at = behind[from..]
                .find('`')
                .unwrap_or_else(|| panic!("a span that is not closed: {line}"))
                + from;
            let closing = behind[at..].chars().take_while(|&c| c == '`').count();
            if closing == ticks {
                break at;
            }
            from = at + closing;
        };
        rest = &behind[end + ticks..];
    }
    outside + rest
}
