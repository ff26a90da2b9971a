//! Text with code in backticks.

use maud::{Markup, html};

/// What stands in backticks is code. Names are quoted as they are and may hold backticks themselves: those that open
/// stand at the start of a word, those that close at an end.
pub(super) fn code_marks(text: &str) -> Markup {
    html! {
        @for (is_code, part) in parts(text) {
            @if is_code { code { (part) } } @else { (part) }
        }
    }
}

fn parts(text: &str) -> Vec<(bool, &str)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, code, behind)) = first_code(rest) {
        parts.push((false, before));
        parts.push((true, code));
        rest = behind;
    }
    parts.push((false, rest));
    parts
}

/// The first code of a text, between what stands before it and behind it.
fn first_code(text: &str) -> Option<(&str, &str, &str)> {
    let opening = text.match_indices('`').find(|(at, _)| {
        let before = text.get(..*at).and_then(|before| before.chars().next_back());
        before.is_none_or(|c| !c.is_alphanumeric())
    });
    let (before, inside) = (text.get(..opening?.0)?, text.get(opening?.0 + 1..)?);
    let closing = inside.match_indices('`').find(|(at, _)| {
        let behind = inside.get(at + 1..).and_then(|behind| behind.chars().next());
        behind.is_none_or(|c| !c.is_alphanumeric() && c != '`')
    });
    let at = closing?.0;
    Some((before, inside.get(..at)?, inside.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_backtick_in_a_name_is_of_the_name() {
        assert_eq!(
            parts("the name `we`b` of (`a`, `b`)"),
            [
                (false, "the name "),
                (true, "we`b"),
                (false, " of ("),
                (true, "a"),
                (false, ", "),
                (true, "b"),
                (false, ")"),
            ]
        );
        assert_eq!(
            parts("`http`: none"),
            [(false, ""), (true, "http"), (false, ": none")]
        );
        assert_eq!(parts("one ` alone"), [(false, "one ` alone")]);
    }
}
