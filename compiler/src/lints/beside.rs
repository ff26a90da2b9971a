//! Entries that a fix writes beside others, as those are written.

use crate::load::{Object, Place};
use crate::route::{Route, Step};
use crate::source::Span;
use crate::tree::Value;
use ir::origin::Origin;

/// The place in front of a key.
pub(super) struct InFront {
    /// The place, empty.
    pub(super) at: Origin,
    is_quoted: bool,
    /// What stands between an entry and the next.
    separator: String,
}

impl InFront {
    /// In front of the last key of a route. Nothing where no line of its own can stand there.
    pub(super) fn of(object: &Object, route: &Route) -> Option<Self> {
        let Place { document, source, .. } = &object.place;
        let (_, parent) = route.steps().split_last()?;
        let mapping: Route = parent.iter().cloned().collect();
        let key = own_key(object, route)?;
        let mapping = document
            .node(document.find(object.place.node, &mapping)?.value)
            .span;
        let separator = if source.slice(mapping).starts_with('{') {
            ", ".to_owned()
        } else {
            line_break(object, key)?
        };
        Some(Self {
            at: object.place.origin_at(route, Span::new(key.start, key.start)),
            is_quoted: source.slice(key).starts_with('"'),
            separator,
        })
    }

    /// A key or a value, as the key behind is written.
    pub(super) fn word(&self, word: &str) -> String {
        if self.is_quoted {
            format!("\"{word}\"")
        } else {
            word.to_owned()
        }
    }

    /// An entry; the value is written already.
    pub(super) fn entry(&self, key: &str, value: &str) -> String {
        format!("{}: {value}{}", self.word(key), self.separator)
    }
}

/// Where the last key of a route is written: in the mapping that it is a key of. Brought by a merge key, it stands
/// elsewhere, and means something for others too.
pub(super) fn own_key(object: &Object, route: &Route) -> Option<Span> {
    let document = &object.place.document;
    let (_, parent) = route.steps().split_last()?;
    let mapping = document.find(object.place.node, &parent.iter().cloned().collect())?;
    let key = document.node(document.find(object.place.node, route)?.key?).span;
    document.node(mapping.value).span.contains(key).then_some(key)
}

/// One word more behind the last of a list, which the list's key says in its own mapping: the place, and what to write.
pub(super) fn one_more(object: &Object, route: &Route, word: &str) -> Option<(Origin, String)> {
    let key = own_key(object, route)?;
    let Place { document, source, .. } = &object.place;
    let list = document.node(document.find(object.place.node, route)?.value);
    let Value::Sequence(elements) = &list.value else {
        return None;
    };
    let last = document.node(*elements.last()?).span;
    let word = match source.slice(last).chars().next()? {
        quote @ ('"' | '\'') => format!("{quote}{word}{quote}"),
        _ => word.to_owned(),
    };
    let (at, separator) = if source.slice(list.span).starts_with('[') {
        (last.end, ", ".to_owned())
    } else {
        // Behind what else the line says.
        let (start, line) = source.line(source.position(last.start).line)?;
        let end = start + u32::try_from(line.len()).ok()?;
        let dash = start + u32::try_from(line.find('-')?).ok()?;
        let line_break = line_break(object, Span::new(dash, last.end))?;
        (end, format!("{line_break}- "))
    };
    // An alias brings a list from above.
    (key.end <= list.span.start).then(|| {
        (
            object.place.origin_at(route, Span::new(at, at)),
            format!("{separator}{word}"),
        )
    })
}

/// The end of a line, and the way in to where a value starts on the next. Nothing where more than spaces and the dashes of
/// a list stand before it: an alias may lead here, or `? `, and there a line more would stand wrong.
fn line_break(object: &Object, value: Span) -> Option<String> {
    let source = &object.place.source;
    let (start, line) = source.line(source.position(value.start).line)?;
    let before = line.get(..value.start.checked_sub(start)? as usize)?;
    let is_indent = before.bytes().all(|byte| byte == b' ')
        || before.ends_with(' ') && before.split_whitespace().all(|dash| dash == "-");
    if !is_indent {
        return None;
    }
    let end = start as usize + line.len();
    let is_crlf = source
        .text()
        .get(end..)
        .is_some_and(|rest| rest.starts_with("\r\n"));
    Some(format!(
        "{}{}",
        if is_crlf { "\r\n" } else { "\n" },
        " ".repeat(before.len())
    ))
}

/// The object in which something is written, and the way there.
pub(super) fn written_at<'o>(objects: &'o [Object], origin: &Origin) -> Option<(&'o Object, Route)> {
    let route = Route::read(&origin.path)?;
    objects.iter().find_map(|object| {
        let place = &object.place;
        let is_here = *place.source.name() == origin.file && place.document.index == origin.document;
        let rest: &[Step] = route.steps().strip_prefix(place.route.steps())?;
        is_here.then(|| (object, rest.iter().cloned().collect()))
    })
}
