//! Text from manifests, made safe to print.
//!
//! A manifest must not be able to move the cursor, recolour or retitle the terminal, or reorder what the reader sees
//! (CVE-2021-42574, "Trojan Source"); nor may it give a command to the CI runner that reads what is printed.

use std::borrow::Cow;

/// Whether a terminal would act on the character instead of showing it. Line breaks are the caller's business.
#[must_use]
pub fn is_active(c: char) -> bool {
    // C0, DEL and C1 controls; bidirectional embeddings, overrides, isolates and marks; line and paragraph separators.
    (c.is_control() && c != '\n')
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Replaces each active character by a visible escape such as `\u{1b}`, and breaks commands to a CI runner; tabs become
/// a space.
#[must_use]
pub fn message(text: &str) -> Cow<'_, str> {
    escaped(text, is_active)
}

/// [`message`], for what must not begin a line of its own, such as a path: line breaks are escaped too.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c == '\n' || is_active(c))
}

/// Breaks commands to a CI runner in text that no terminal acts on, or that holds escapes of our own.
#[must_use]
pub fn commands(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

fn escaped(text: &str, active: fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(active) && !text.contains("##[") && !text.contains("::") {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    let mut begins_line = true;
    for (at, c) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        match c {
            '\t' if active(c) => safe.push(' '),
            c if active(c) || is_command(rest, begins_line) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
        begins_line = !active(c) && (c == '\n' || (begins_line && c.is_whitespace()));
    }
    Cow::Owned(safe)
}

/// Whether GitHub's runner, which reads what a step prints, would look here for a command to itself: `##[command]`
/// anywhere, `::command::` or `::command key=value::` at the beginning of a line, blanks in front of it aside. A command
/// is letters and hyphens; what reads as a group of an IPv6 address (`::face`) is none.
///
/// Source: actions/runner, `src/Runner.Common/ActionCommand.cs`, `TryParse` and `TryParseV2`.
#[must_use]
pub fn is_command(rest: &str, begins_line: bool) -> bool {
    let named = |rest: &str| {
        let is_letter = |c: char| c.is_ascii_alphabetic() || c == '-';
        let after = rest.trim_start_matches(is_letter);
        let name = rest.strip_suffix(after).unwrap_or_default();
        let is_group = name.len() <= 4 && name.chars().all(|c| c.is_ascii_hexdigit());
        // A tab is printed as a space.
        !is_group && (after.starts_with([' ', '\t']) || after.starts_with("::"))
    };
    rest.starts_with("##[") || (begins_line && rest.strip_prefix("::").is_some_and(named))
}

/// Replaces each active character by one visible character, and `##[` by `♯#[`, so that columns stay where they are.
/// Tabs are kept. What begins a line here is never at the beginning of a printed one.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    let active = |c: char| c != '\t' && is_active(c);
    if !text.contains(active) && !text.contains("##[") {
        return Cow::Borrowed(text);
    }
    let shown = text.char_indices().map(|(at, c)| match c {
        c if active(c) => picture(c),
        '#' if is_command(text.get(at..).unwrap_or_default(), false) => '♯',
        c => c,
    });
    Cow::Owned(shown.collect())
}

/// The Unicode control picture of a C0 control, U+FFFD for the rest.
fn picture(c: char) -> char {
    match u32::from(c) {
        code @ 0..=0x1f => char::from_u32(0x2400 + code).unwrap_or('\u{fffd}'),
        0x7f => '\u{2421}',
        _ => '\u{fffd}',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_acts_on_survives() {
        let hostile = "a\u{1b}[31m\u{9b}2J\r\u{7f}\u{202e}\tz";
        assert_eq!(message(hostile), r"a\u{1b}[31m\u{9b}2J\u{d}\u{7f}\u{202e} z");
        assert_eq!(
            line(hostile),
            "a\u{241b}[31m\u{fffd}2J\u{240d}\u{2421}\u{fffd}\tz"
        );
        assert_eq!(line(hostile).chars().count(), hostile.chars().count());
        assert!(matches!(message("plain é 漢"), Cow::Borrowed(_)));
    }

    #[test]
    fn nothing_a_runner_takes_for_a_command_survives() {
        let hostile = "a ##[add-mask]e\n  ::error::x";
        assert_eq!(message(hostile), "a \\u{23}#[add-mask]e\n  \\u{3a}:error::x");
        assert_eq!(commands(hostile), message(hostile));
        assert_eq!(
            one_line("./a\n::add-mask::e"),
            "./a\\u{a}::add-mask::e",
            "on one line it begins nothing"
        );
        assert_eq!(line("- http # ##[error]"), "- http # ♯#[error]");
        for command in [
            "::error file=a::x",
            "::error\tfile=a::x",
            "\u{a0}::stop-commands::x",
        ] {
            assert!(message(command).contains(r"\u{3a}:"), "{command}");
        }
        for harmless in [
            "::/0 and ::1",
            "::1 or fd00::",
            "::abcd:0:0/96,external,2001:db8::/64",
            "::face and fd00::1",
            "::ffff:192.0.2.1\nfd00::",
            "::error\n::",
            "a::b::c",
            "# # [x]",
        ] {
            assert_eq!(message(harmless), harmless);
        }
    }
}
