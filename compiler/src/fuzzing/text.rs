//! Bytes as the IR's text form: what parses is printed and parsed again as the same.

use ir::model::Model;

pub(super) fn ask(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match ir::text::parse(text) {
        Ok(model) => {
            is_inverse(&model);
            for line in text.lines() {
                let _ = ir::text::parse_flow(&model.cluster, line);
            }
        }
        Err(error) => {
            let lines = text.lines().count().max(1);
            assert!(
                (1..=lines + 1).contains(&error.line) && error.column >= 1,
                "{error} in {lines} lines"
            );
        }
    }
}

/// Printing and parsing are inverse.
pub(super) fn is_inverse(model: &Model) {
    let printed = ir::text::print(model);
    let again = ir::text::parse(&printed);
    assert_eq!(again.as_ref(), Ok(model), "{printed}");
    let again = again.map(|model| ir::text::print(&model));
    assert_eq!(again, Ok(printed));
}
