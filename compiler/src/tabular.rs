//! Rows of text as CSV or as a Markdown table.
//!
//! What stands in a cell comes from manifests, so it must stay in its cell: it cannot begin a row, a formula in a
//! spreadsheet, or markup and mentions on a page.

use crate::diagnostic::escape;
use std::io::{self, Write};

/// A table: what its columns are called, and its rows, which need not all exist at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table<const N: usize, R = Vec<[String; N]>> {
    /// The columns' names, in words of ours.
    pub header: [&'static str; N],
    /// The rows.
    pub rows: R,
}

impl<const N: usize, R: IntoIterator<Item = [String; N]>> Table<N, R> {
    /// Writes the table as RFC 4180 has it, lines ended as on Unix.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_csv(self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.header.join(","))?;
        for row in self.rows {
            let cells: Vec<_> = row.iter().map(|cell| csv_cell(cell)).collect();
            writeln!(out, "{}", cells.join(","))?;
        }
        Ok(())
    }

    /// Writes the table as GitHub Flavored Markdown has it.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_markdown(self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "| {} |", self.header.join(" | "))?;
        writeln!(out, "|{}", " --- |".repeat(N))?;
        for row in self.rows {
            let cells: Vec<_> = row.iter().map(|cell| markdown_cell(cell)).collect();
            writeln!(out, "| {} |", cells.join(" | "))?;
        }
        Ok(())
    }
}

/// Source: OWASP, "CSV Injection": a cell that begins with one of `= + - @` is run as a formula, unless `'` is before it.
fn csv_cell(text: &str) -> String {
    let text = escape::message(text).replace('\n', " ");
    let guard = if text.starts_with(['=', '+', '-', '@']) {
        "'"
    } else {
        ""
    };
    if text.contains([',', '"', ';']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

/// Source: GitHub Flavored Markdown, "Backslash escapes", "Tables", "Autolinks". A comment after `@` keeps it from
/// calling on anybody.
fn markdown_cell(text: &str) -> String {
    let text = escape::message(text);
    let mut cell = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at + c.len_utf8()..).unwrap_or_default();
        match c {
            '\n' => cell.push(' '),
            '@' => cell.push_str("@<!-- -->"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '#' | '!' | '&' | '$' => {
                cell.push('\\');
                cell.push(c);
            }
            // No links by themselves: `https://…`, `www.…`.
            ':' if after.starts_with("//") => cell.push_str("\\:"),
            '.' if before.to_ascii_lowercase().ends_with("www") => cell.push_str("\\."),
            c => cell.push(c),
        }
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(cells: [&str; 2]) -> Table<2> {
        Table {
            header: ["one", "two"],
            rows: vec![cells.map(str::to_owned)],
        }
    }

    #[test]
    fn csv_keeps_text_in_its_cell() {
        let csv = |cells| {
            let mut out = Vec::new();
            table(cells).write_csv(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(csv(["a", "TCP 80"]), "one,two\na,TCP 80\n");
        assert_eq!(csv(["a,b", "say \"x\""]), "one,two\n\"a,b\",\"say \"\"x\"\"\"\n");
        assert_eq!(csv(["=1+1", "@x"]), "one,two\n'=1+1,'@x\n");
        assert_eq!(csv(["-1,2", "a\nb"]), "one,two\n\"'-1,2\",a b\n");
        assert_eq!(csv(["\u{1b}[31m", "a\rb"]), "one,two\n\\u{1b}[31m,a\\u{d}b\n");
    }

    #[test]
    fn markdown_keeps_text_in_its_cell() {
        let markdown = |cells| {
            let mut out = Vec::new();
            table(cells).write_markdown(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            markdown(["a", "TCP 80-90"]),
            "| one | two |\n| --- | --- |\n| a | TCP 80-90 |\n"
        );
        let hostile = markdown(["a|b\nc", "<img src=x> [x](https://e.x) www.e.x @all `"]);
        assert_eq!(
            hostile.lines().last().unwrap(),
            "| a\\|b c | \\<img src=x\\> \\[x\\](https\\://e.x) www\\.e.x @<!-- -->all \\` |"
        );
    }
}
