//! `check`: exit statuses, what goes where, and what does not depend on chance.

use crate::program::{EXAMPLE, POLICY, ROOT, Scratch, err, out, run, run_in, run_with, status};
use std::fs;
use std::path::Path;

#[test]
fn check_exits_with_what_it_found() {
    let scratch = Scratch::new("check");
    let fine = scratch.file("fine.yaml", POLICY);
    let refused = scratch.file(
        "refused.yaml",
        &POLICY.replace("{podSelector: {}}", "{ingress: [{ports: [{port: 0}]}]}"),
    );
    let unparsable = scratch.file("unparsable.yaml", "a: [\n");
    let nothing = scratch.file(
        "nothing.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
    );

    assert_eq!(status(&["check", &fine]), 0);
    assert_eq!(status(&["check", EXAMPLE]), 0);
    assert_eq!(status(&["check", EXAMPLE, "--fail-on=warning"]), 1);
    assert_eq!(status(&["check", EXAMPLE, "--fail-on", "never"]), 0);
    assert_eq!(status(&["check", EXAMPLE, "--fail-on=note"]), 1);
    assert_eq!(status(&["check", &refused]), 2);
    assert_eq!(status(&["check", &refused, "--fail-on", "never"]), 2);
    assert_eq!(status(&["check", &unparsable]), 2);
    assert_eq!(status(&["check", &nothing]), 2);
    assert_eq!(status(&["check", &nothing, "--allow-empty"]), 0);
    assert_eq!(status(&["check", &scratch.path("absent.yaml")]), 2);
    assert_eq!(status(&["check"]), 2);
    assert_eq!(status(&["check", "--no-such-flag", &fine]), 2);
    assert_eq!(status(&["--help"]), 0);
    assert_eq!(status(&["--version"]), 0);
}

#[test]
fn findings_go_to_standard_output_and_the_run_to_standard_error() {
    let output = run(&["check", EXAMPLE]);
    assert!(out(&output).contains("PC201"), "{}", out(&output));
    assert!(!out(&output).contains("policies,"));
    assert!(
        err(&output).contains("1 warning, 2 notes in 6 policies"),
        "{}",
        err(&output)
    );
    assert_eq!(err(&run(&["check", "-q", EXAMPLE])), "");
}

#[test]
fn json_stays_json_whatever_was_found() {
    let scratch = Scratch::new("json");
    let unparsable = scratch.file("unparsable.yaml", "a: [\n");
    for path in [EXAMPLE, &unparsable] {
        let output = run(&["check", "--format", "json", path]);
        let report: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
        assert_eq!(report["version"], 1);
        let keys: Vec<_> = report.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["version", "summary", "incomplete", "findings"]);
        assert!(!report["findings"].as_array().unwrap().is_empty());
    }
}

#[test]
fn the_collision_is_told_over_all_files_concerned() {
    let output = run(&["check", "--format", "json", "--no-solver", EXAMPLE]);
    let report: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    let finding = &report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["code"] == "PC201" && finding["severity"] == "warning")
        .unwrap();
    let files: Vec<_> = finding["labels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|label| {
            Path::new(label["file"].as_str().unwrap())
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
        })
        .collect();
    assert_eq!(files, ["policies.yaml", "catalog.yaml", "catalog.yaml"]);
    assert_eq!(finding["witness"]["from"], "shop/frontend");
    // Without the solver there is no word of redundancy.
    assert!(!out(&output).contains("PC302"));
    assert!(out(&run(&["check", "--format", "json", EXAMPLE])).contains("PC302"));
}

#[test]
fn standard_input_is_a_path() {
    let output = run_with(&["check", "-"], POLICY);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let output = run_with(&["check", "-"], "a: [");
    assert_eq!(output.status.code(), Some(2));
    assert!(out(&output).contains("<stdin>"), "{}", out(&output));
}

#[test]
fn a_pipe_gets_no_colours_unless_asked() {
    assert!(!out(&run(&["check", EXAMPLE])).contains('\u{1b}'));
    assert!(out(&run(&["check", "--color", "always", EXAMPLE])).contains('\u{1b}'));
    assert!(!out(&run(&["check", "--color", "never", EXAMPLE])).contains('\u{1b}'));
}

#[test]
fn answers_do_not_depend_on_the_order_of_files_or_on_threads() {
    let mut files: Vec<String> = fs::read_dir(Path::new(ROOT).join(EXAMPLE))
        .unwrap()
        .map(|entry| entry.unwrap().path().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    for verb in ["check", "connectivity"] {
        let with = |files: &[String], jobs: &str| {
            let mut arguments = vec![verb, "--format", "json", "--jobs", jobs];
            arguments.extend(files.iter().map(String::as_str));
            out(&run(&arguments))
        };
        let expected = with(&files, "1");
        let mut reversed = files.clone();
        reversed.reverse();
        assert_eq!(with(&reversed, "4"), expected, "{verb}");
    }
}

#[test]
fn verbs_that_answer_refuse_input_that_is_refused() {
    let scratch = Scratch::new("refuse");
    let bad = scratch.file("bad.yaml", &POLICY.replace("podSelector", "podSelectr"));
    let output = run(&["connectivity", EXAMPLE, &bad]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(out(&output), "");
    assert!(err(&output).contains("podSelectr"), "{}", err(&output));
    let target = scratch.path("out");
    assert_eq!(status(&["compile", EXAMPLE, &bad, "--place", "-o", &target]), 2);
    assert!(!Path::new(&target).exists());
}

#[test]
fn what_the_budget_does_not_answer_is_incomplete_and_no_finding() {
    let output = run(&["check", "--solver-steps", "1", "--fail-on", "never", EXAMPLE]);
    assert_eq!(output.status.code(), Some(3));
    assert!(!out(&output).contains("PC30"), "{}", out(&output));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("incomplete: "), "{said}");
    assert!(said.contains("is not known"), "{said}");
    let json = run(&["check", "--solver-steps", "1", "--format", "json", EXAMPLE]);
    let report: serde_json::Value = serde_json::from_str(&out(&json)).unwrap();
    let incomplete = report["incomplete"].as_array().unwrap().iter();
    let told: Vec<_> = said
        .lines()
        .filter_map(|line| line.strip_prefix("incomplete: "))
        .collect();
    assert_eq!(
        incomplete.map(|one| one.as_str().unwrap()).collect::<Vec<_>>(),
        told
    );
    assert_eq!(status(&["check", "--fail-on", "never", EXAMPLE]), 0);
}

const RENDERED: &str = "\
---
# Source: shop/templates/policy.yaml
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p}
spec: {podSelector: {}, ingres: []}
";

#[test]
fn what_a_template_made_is_told_with_the_template() {
    let output = run_with(&["check", "-", "--format", "json"], RENDERED);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let label = report.pointer("/findings/0/labels/0").unwrap();
    assert_eq!(label["template"], "shop/templates/policy.yaml");
    assert_eq!((&label["file"], &label["line"]), (&"<stdin>".into(), &6.into()));
    let output = run_with(&["check", "-"], RENDERED);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("made from shop/templates/policy.yaml"), "{text}");
}

/// Also by verbs that come to their findings in another way, and for findings about decisions.
#[test]
fn every_verb_that_tells_findings_names_the_template() {
    let undefined = RENDERED.replace("ingres: []", "ingress: [{ports: [{port: http}]}]");
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: i, ports: [{name: web, containerPort: 80}]}]}\n";
    let undefined = undefined + pod;
    let accepted = RENDERED.replace(
        "{name: p}",
        "{name: p, annotations: {portcullis.io/allow.PC201: never seen}}",
    );
    let accepted = accepted.replace("ingres", "ingress");
    for (arguments, input, code) in [
        (&["check", "-", "--format", "github"][..], RENDERED, "PC102"),
        (&["check", "-", "--format", "sarif"], RENDERED, "PC102"),
        (&["check", "-"], &accepted, "PC614"),
        (&["ports", "-"], &undefined, "PC204"),
        (&["report", "-"], &undefined, "PC204"),
    ] {
        let text = out(&run_with(arguments, input));
        assert!(text.contains(code), "{arguments:?} {text}");
        assert!(
            text.contains("made from shop/templates/policy.yaml"),
            "{arguments:?} {text}"
        );
    }
}

#[test]
fn what_is_excluded_is_not_looked_at() {
    let scratch = Scratch::new("exclude");
    scratch.file("policy.yaml", POLICY);
    scratch.file("chart/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n");
    let template = "chart/templates/policy.yaml";
    scratch.file(
        template,
        &format!("{{{{- if .Values.closed }}}}\n{POLICY}{{{{- end }}}}\n"),
    );
    let check = |directory: &str, arguments: &[&str]| {
        let output = run_in(
            scratch.path(directory),
            &[&["check", "--no-solver"], arguments].concat(),
            "",
        );
        (output.status.code().unwrap(), out(&output))
    };
    // The finding says what to leave out, and that is enough.
    let (status, said) = check("", &["."]);
    assert_eq!(status, 2);
    let (_, pattern) = said.split_once("`--exclude ").unwrap();
    let (pattern, _) = pattern.split_once('`').unwrap();
    assert_eq!(pattern, "chart/templates");
    let excluded = ["--exclude", pattern];
    assert_eq!(check("", &[&["."][..], &excluded].concat()).0, 0);
    assert_eq!(
        check(
            "",
            &[&["."][..], &["--exclude=*.md", "--exclude=templates/"]].concat()
        )
        .0,
        0
    );
    assert_eq!(check("chart", &[&[".."][..], &excluded].concat()).0, 2);
    let (_, said) = check("chart", &[".", "--allow-empty"]);
    assert!(said.contains("`--exclude /templates`"), "{said}");
    // Paths of the configuration start beside it, wherever the command runs and however files are named.
    scratch.file("portcullis.toml", "exclude = ['chart/templates']\n");
    let whole = scratch.path("");
    for (directory, path) in [("", "."), ("chart", ".."), ("", &*whole)] {
        assert_eq!(check(directory, &[path]).0, 0, "{path}");
    }
    // What is named is read.
    for named in [template, "chart/templates"] {
        assert_eq!(check("", &[named]).0, 2, "{named}");
    }
    assert_eq!(check("", &[".", "--exclude", "!a"]).0, 2);
    for written in ["./chart", &scratch.path("chart/templates")] {
        assert_eq!(
            check("", &[".", "--no-config", "--exclude", written]).0,
            0,
            "{written}"
        );
    }
}

#[cfg(unix)]
#[test]
fn links_do_not_keep_paths_from_being_excluded() {
    let scratch = Scratch::new("exclude-links");
    scratch.file("real/.git/HEAD", "");
    scratch.file(
        "real/portcullis.toml",
        "exclude = ['chart/templates', 'linked/*.tpl.yaml']\n",
    );
    // A finding, whose file is named from the repository.
    scratch.file(
        "real/policy.yaml",
        &format!("# portcullis: allow[PC201]\n{POLICY}"),
    );
    scratch.file("real/chart/templates/policy.yaml", "a: {{ b }}: kind\n");
    scratch.file("outside/a.tpl.yaml", "a: {{ b }}: kind\n");
    for (target, link) in [
        ("real", "link"),
        ("chart", "real/a-chart"),
        ("../outside", "real/linked"),
    ] {
        std::os::unix::fs::symlink(target, scratch.path(link)).unwrap();
    }
    let (real, link) = (scratch.path("real"), scratch.path("link"));
    for (directory, path) in [(&real, "."), (&real, &*link), (&link, &*link), (&link, &*real)] {
        let arguments = ["check", path, "--no-solver", "--format=gitlab", "--fail-on=never"];
        let output = run_in(directory, &arguments, "");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{directory} {path} {}",
            err(&output)
        );
        assert!(
            out(&output).contains("\"path\": \"policy.yaml\""),
            "{}",
            out(&output)
        );
    }
}

#[test]
fn the_same_is_excluded_from_both_states() {
    let scratch = Scratch::new("exclude-states");
    for state in ["head", "base"] {
        scratch.file(&format!("{state}/team/policy.yaml"), POLICY);
        scratch.file(
            &format!("{state}/team/chart/templates/policy.yaml"),
            "a: {{ b }}: kind\n",
        );
    }
    scratch.file("head/portcullis.toml", "exclude = ['team/chart/templates']\n");
    for (directory, new, old) in [
        ("head", ".", "../base"),
        ("head", "team", "../base/team"),
        ("head/team", "..", "../../base"),
    ] {
        for arguments in [
            ["check", new, "--against", old].as_slice(),
            &["diff", old, new, "--allow-empty"],
            &["diff", new, old, "--allow-empty"],
        ] {
            let output = run_in(scratch.path(directory), arguments, "");
            assert_eq!(output.status.code(), Some(0), "{arguments:?} {}", err(&output));
        }
    }
}

#[test]
fn limits_are_set_on_the_command_line() {
    let output = run_with(&["check", "-", "--limits", "bytes=20"], RENDERED);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("there are more than 20 bytes in a file"), "{text}");
    let output = run_with(&["check", "-", "--limits", "depth=9000"], RENDERED);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("the limit `depth` is at most 512"), "{text}");
}

#[test]
fn a_selector_that_contradicts_itself_is_told_once_with_or_without_the_solver() {
    let case = "testdata/findings/pc301-nothing-left-of-the-block";
    let codes = |arguments: &[&str]| {
        let output = run(&[&["check", case, "--format", "json"], arguments].concat());
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap().clone();
        let codes = findings
            .iter()
            .map(|finding| finding["code"].as_str().unwrap().to_owned());
        codes.collect::<Vec<_>>()
    };
    let with = codes(&[]);
    assert!(
        with.contains(&"PC301".to_owned()) && !with.contains(&"PC127".to_owned()),
        "{with:?}"
    );
    let without = codes(&["--no-solver"]);
    assert!(
        without.contains(&"PC127".to_owned()) && !without.contains(&"PC301".to_owned()),
        "{without:?}"
    );
}
