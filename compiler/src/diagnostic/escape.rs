//! Text from manifests, made safe to print.
//!
//! A manifest must not be able to move the cursor, recolour or retitle the terminal, or reorder what the reader sees
//! (CVE-2021-42574, "Trojan Source").

use std::borrow::Cow;

/// Whether a terminal would act on the character instead of showing it. Line breaks are the caller's business.
#[must_use]
pub fn is_active(c: char) -> bool {
    // C0, DEL and C1 controls; bidirectional embeddings, overrides, isolates and marks; line and paragraph separators.
    (c.is_control() && c != '\n')
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Replaces each active character by a visible escape such as `\u{1b}`; tabs become a space.
#[must_use]
pub fn message(text: &str) -> Cow<'_, str> {
    if !text.contains(is_active) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\t' => safe.push(' '),
            c if is_active(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Replaces each active character by one visible character, so that columns stay where they are. Tabs are kept.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    let active = |c: char| c != '\t' && is_active(c);
    if !text.contains(active) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|c| if active(c) { picture(c) } else { c })
            .collect(),
    )
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
}
