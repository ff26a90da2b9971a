//! `docs/rules`: a page for each code, and an index.

use super::{fix_word, page_with_level, severity_or_reserved};
use crate::diagnostic::code::REGISTRY;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What the hundreds mean.
const GROUPS: &[(u16, &str)] = &[
    (1, "Reading and validation"),
    (2, "Named ports"),
    (3, "Conflicts between rules and policies"),
    (4, "Guarantees and changes"),
    (5, "Not enforceable by programs alone"),
    (6, "Hygiene"),
    (7, "Portability between engines"),
];

/// Every file of the directory: name to text.
#[must_use]
pub fn files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in REGISTRY {
        let code = entry.code;
        files.insert(format!("{code}.md"), page_with_level(code));
    }
    files.insert("README.md".to_owned(), index());
    files
}

fn index() -> String {
    let mut text = String::from(
        "# Finding codes\n\n\
         What `portcullis` reports, one page for each code. `portcullis explain PC201` prints the same page, \
         `portcullis check --list` this list (`--format json` for programs).\n\n\
         Codes are permanent: none is renumbered or reused. A reserved code belongs to a rule to come. \
         `fix`: some findings of the code are mended by `check --fix`; `suggest`: by `--unsafe-fixes` too.\n\n\
         These files are made from the doc comments of the rules \
         (`UPDATE_RULES=1 cargo test -p portcullis-compiler --lib explain`); edit them there.\n",
    );
    for (hundreds, title) in GROUPS {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n## {title}\n\n| code | name | level | `--fix` | says |\n|---|---|---|---|---|\n"
        );
        for entry in REGISTRY
            .iter()
            .filter(|entry| entry.code.number() / 100 == *hundreds)
        {
            let _ = writeln!(
                text,
                "| [{code}]({code}.md) | {} | {} | {} | {} |",
                entry.name,
                severity_or_reserved(entry),
                fix_word(entry.code),
                entry.summary,
                code = entry.code
            );
        }
    }
    text
}
