//! Differences of files as `git diff` and `diff -u` write them, so that `git apply` and `patch -p1` take them.

use similar::TextDiff;
use similar::udiff::UnifiedHunkHeader;
use std::fmt::Write;

/// Unchanged lines around a change.
const AROUND: usize = 3;

/// What changed in the file of this name. Lines end with LF alone, whatever else YAML takes for the end of one.
pub(super) fn diff(name: &str, before: &str, after: &str) -> String {
    let [before, after] = [before, after].map(|text| text.split_inclusive('\n').collect::<Vec<_>>());
    let difference = TextDiff::configure().diff_slices(&before, &after);
    let mut out = format!("--- {}\n+++ {}\n", path("a", name), path("b", name));
    for hunk in difference.grouped_ops(AROUND) {
        // Writing into a `String` cannot fail.
        let _ = writeln!(out, "{}", UnifiedHunkHeader::new(&hunk));
        for change in hunk.iter().flat_map(|op| difference.iter_changes(op)) {
            let _ = write!(out, "{}{}", change.tag(), change.value());
            if !change.value().ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    out
}

/// A file's name as git writes it in a header.
fn path(side: &str, name: &str) -> String {
    let needs_quotes = |c: char| c.is_control() || matches!(c, '"' | '\\');
    if name.contains(needs_quotes) {
        format!("\"{side}/{}\"", quoted(name))
    } else if name.contains(' ') {
        // Readers take what is behind a blank for a date, unless a tab ends the name.
        format!("{side}/{name}\t")
    } else {
        format!("{side}/{name}")
    }
}

/// With the escapes of C.
fn quoted(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "\\{byte:03o}");
                }
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_git_does() {
        for (name, written) in [
            ("my dir/é.yaml", "a/my dir/é.yaml\t"),
            ("tab\t b.yaml", "\"a/tab\\011 b.yaml\""),
            ("a\"\\\n", "\"a/a\\\"\\\\\\012\""),
        ] {
            assert_eq!(path("a", name), written);
        }
    }

    #[test]
    fn a_last_line_without_an_end_says_so() {
        let text = diff("a", "one\r\ntwo\rthree\r", "one\r\ntwo\rthre\r");
        assert_eq!(
            text,
            "--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n one\r\n-two\rthree\r\n\\ No newline at end of file\n\
             +two\rthre\r\n\\ No newline at end of file\n"
        );
    }
}
