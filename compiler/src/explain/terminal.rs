//! A page on a terminal: headings and code stand out, paragraphs fit the width.
//!
//! Pages are ours and use little of Markdown: headings, paragraphs, lists, fenced code, and inside lines `code` and
//! *emphasis*. Tables and whatever else there may be are printed as written.

use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

const BOLD: &str = "\x1b[1m";
const HEADING: &str = "\x1b[1;4m";
const CODE: &str = "\x1b[36m";
const ITALIC: &str = "\x1b[3m";
const RESET: &str = "\x1b[0m";

/// Draws a page `width` columns wide.
#[must_use]
pub fn render(page: &str, width: usize) -> String {
    let mut drawing = Drawing {
        width,
        out: String::new(),
        paragraph: String::new(),
    };
    let mut in_code = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            drawing.flush();
            in_code = !in_code;
        } else if in_code {
            // Writing to a string does not fail.
            let _ = writeln!(drawing.out, "    {CODE}{line}{RESET}");
        } else if let Some(heading) = line.strip_prefix("# ") {
            drawing.flush();
            let _ = writeln!(drawing.out, "{BOLD}{heading}{RESET}");
        } else if let Some(heading) = line.strip_prefix("## ") {
            drawing.flush();
            let _ = writeln!(drawing.out, "{HEADING}{heading}{RESET}");
        } else if line.is_empty() {
            drawing.flush();
            drawing.out.push('\n');
        } else if line.starts_with('|') {
            drawing.flush();
            let _ = writeln!(drawing.out, "{}", styled(line));
        } else {
            if line.starts_with("- ") {
                drawing.flush();
            }
            if !drawing.paragraph.is_empty() {
                drawing.paragraph.push(' ');
            }
            drawing.paragraph.push_str(line.trim());
        }
    }
    drawing.flush();
    drawing.out
}

struct Drawing {
    width: usize,
    out: String,
    /// The paragraph or list entry being gathered.
    paragraph: String,
}

impl Drawing {
    fn flush(&mut self) {
        let paragraph = std::mem::take(&mut self.paragraph);
        if paragraph.is_empty() {
            return;
        }
        let indent = if paragraph.starts_with("- ") { "  " } else { "" };
        let mut lines: Vec<String> = Vec::new();
        for word in paragraph.split(' ') {
            match lines.last_mut() {
                Some(line) if line.width() + 1 + word.width() <= self.width => {
                    line.push(' ');
                    line.push_str(word);
                }
                Some(_) => lines.push(format!("{indent}{word}")),
                None => lines.push(word.to_owned()),
            }
        }
        // What is emphasised may go on in the next line: it is styled before the lines are cut.
        let _ = writeln!(self.out, "{}", styled(&lines.join("\n")));
    }
}

/// `code` and *emphasis*, in colour; a mark without its partner stays as it is.
fn styled(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*']) {
        let (before, marked) = rest.split_at(at);
        out.push_str(before);
        let (marks, style) = if marked.starts_with('`') {
            ("`", CODE)
        } else if marked.starts_with("**") {
            ("**", BOLD)
        } else {
            ("*", ITALIC)
        };
        let inner = marked.strip_prefix(marks).unwrap_or(marked);
        match inner.find(marks) {
            Some(end) if end > 0 => {
                let (inner, after) = inner.split_at(end);
                let _ = write!(out, "{style}{inner}{RESET}");
                rest = after.strip_prefix(marks).unwrap_or(after);
            }
            _ => {
                out.push_str(marks);
                rest = inner;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_drawn_with_headings_code_and_lists_that_fit() {
        let page = "# PC000 name\n\nOne `two` three four\nfive *six seven*, 2 * 3.\n\n## Example\n- a list entry that is long\n- second\n```yaml\na:   1\n```\n";
        insta::assert_snapshot!(render(page, 20).replace('\x1b', "^"), @r"
        ^[1mPC000 name^[0m

        One ^[36mtwo^[0m three four
        five ^[3msix seven^[0m, 2
        * 3.

        ^[1;4mExample^[0m
        - a list entry that
          is long
        - second
            ^[36ma:   1^[0m
        ");
    }
}
