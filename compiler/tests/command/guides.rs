//! The verbs that read no manifests: `explain`, `init`, `completions`, `man`.

use crate::program::{POLICY, Scratch, err, out, run, status};
use crate::published::as_published;
use std::fs;
use std::path::Path;

#[test]
fn init_writes_a_configuration_once() {
    let scratch = Scratch::new("init");
    let file = scratch.path("portcullis.toml");
    assert_eq!(status(&["init", &file]), 0);
    let policy = scratch.file("a.yaml", POLICY);
    assert_eq!(status(&["check", "--config", &file, &policy]), 0);
    fs::write(&file, "solver = false\n").unwrap();
    assert_eq!(status(&["init", &file]), 2);
    assert_eq!(fs::read_to_string(&file).unwrap(), "solver = false\n");
}

#[test]
fn shells_and_the_manual_know_every_verb() {
    let scratch = Scratch::new("man");
    let manual = scratch.path("man");
    assert_eq!(status(&["man", &manual]), 0);
    let page = fs::read_to_string(Path::new(&manual).join("portcullis-check.1")).unwrap();
    assert!(
        page.contains("sarif") && page.contains("write\\-baseline"),
        "{page}"
    );
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        for word in ["connectivity", "sarif", "write-baseline", "unsafe-fixes", "lsp"] {
            assert!(out(&output).contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn check_lists_every_rule_and_needs_no_input_for_that() {
    let list = run(&["check", "--list"]);
    assert_eq!(list.status.code(), Some(0), "{}", err(&list));
    assert_eq!(out(&list), out(&run(&["explain", "--list"])));
    assert!(
        out(&list)
            .lines()
            .any(|line| line.starts_with("PC102  error     fix      unknown-field")),
        "{}",
        out(&list)
    );
    let rules = as_published("rules.v1.json", &["check", "--list", "--format", "json"]);
    let rules = rules["rules"].as_array().unwrap();
    assert_eq!(rules.len(), out(&list).lines().count());
    let rule = rules.iter().find(|rule| rule["code"] == "PC204").unwrap();
    assert_eq!(
        (&rule["fix"], &rule["reserved"]),
        (&"suggestion".into(), &false.into())
    );
    assert_eq!(status(&["check", "--list", "--format", "sarif"]), 2);
    assert_eq!(status(&["check"]), 2);
}

#[test]
fn explain_prints_a_page_by_code_or_by_name_and_lists_all() {
    let page = run(&["explain", "PC201"]);
    assert_eq!(page.status.code(), Some(0));
    assert!(
        out(&page).starts_with("# PC201 named-port-many-numbers\n"),
        "{}",
        out(&page)
    );
    assert!(!out(&page).contains('\x1b'));
    assert_eq!(out(&run(&["explain", "named-port-many-numbers"])), out(&page));
    assert_eq!(out(&run(&["explain", "pc201"])), out(&page));

    let drawn = out(&run(&["explain", "PC201", "--color", "always"]));
    assert!(drawn.contains("\x1b[1;4mHow to fix it\x1b[0m"), "{drawn}");
    assert!(!drawn.contains("```"), "{drawn}");

    let list = out(&run(&["explain", "--list"]));
    assert!(
        list.lines().any(|line| line.starts_with("PC604  warning")),
        "{list}"
    );

    let unknown = run(&["explain", "dns-forgoten"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        err(&unknown).contains("did you mean `dns-forgotten`?"),
        "{}",
        err(&unknown)
    );
    assert_eq!(status(&["explain"]), 2);
    assert_eq!(status(&["explain", "PC201", "--list"]), 2);
}
