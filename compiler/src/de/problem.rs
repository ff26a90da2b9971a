//! What can be wrong with a value, and how it is said.

use super::suggest;
use super::{Frame, Reader, Record, Sink};
use crate::diagnostic::{Applicability, Code, Severity, Unrendered};
use crate::route::{Route, Step};
use crate::source::Span;
use crate::tree::{MappingFault, NodeId, Resolved, Scalar, Style, Value};

/// One thing wrong with a value. Becomes a finding once the object and its file are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of mistake.
    pub code: Code,
    /// The place, from the document's root.
    pub route: Route,
    /// The characters to point at.
    pub span: Span,
    /// The sentence.
    pub message: String,
    /// What to say at the span.
    pub label: String,
    /// How to fix it.
    pub help: Option<String>,
    /// What has to fill in the span first, which is then the help.
    pub unrendered: Option<Unrendered>,
    /// A second place that explains the first.
    pub related: Option<(Span, String)>,
    /// The edit that mends it.
    pub fix: Option<Draft>,
}

/// A fix before object and file are known: one edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// How sure it is.
    pub applicability: Applicability,
    /// What it does.
    pub title: String,
    /// What is replaced.
    pub span: Span,
    /// The part of it that is, see [`crate::diagnostic::Edit::was`].
    pub was: Option<String>,
    /// What stands there instead.
    pub replacement: String,
}

impl Problem {
    fn new(code: Code, route: Route, span: Span, message: String, label: impl Into<String>) -> Self {
        Self {
            code,
            route,
            span,
            message,
            label: label.into(),
            help: None,
            unrendered: None,
            related: None,
            fix: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn unrendered(mut self, unrendered: Unrendered) -> Self {
        self.unrendered = Some(unrendered);
        self
    }

    fn fix(mut self, fix: Option<Draft>) -> Self {
        self.fix = fix;
        self
    }

    pub(super) fn fatal(span: Span, route: Route, reason: String) -> Self {
        let message = format!("this value cannot be read: {reason}");
        Self::new(Code::WRONG_TYPE, route, span, message, "")
    }

    /// Whether the object is not what its author wrote.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.code.default_severity() == Severity::Error
    }
}

impl Reader<'_> {
    /// The span to point at: the value's, or its key's when the value is left out.
    pub(super) fn span(&self) -> Span {
        let own = self.sink.document.node(self.node).span;
        match self.frame.key {
            Some(key) if own.start == own.end => self.sink.document.node(key).span,
            _ => own,
        }
    }

    /// How messages call this value: `` `port` ``, or `` an element of `ports` ``. Keys as they are written.
    fn subject(&self) -> String {
        let written = |key: NodeId| self.sink.document.scalar(key).map_or("", |scalar| &*scalar.text);
        match (self.frame.key, self.frame.parent) {
            (Some(key), _) => format!("`{}`", written(key)),
            (None, None) => "the object".to_owned(),
            (None, Some(parent)) => match parent.key {
                Some(key) => format!("an element of `{}`", written(key)),
                None => "an element".to_owned(),
            },
        }
    }

    /// Whether this is an element of a list that is null. Go reads it as the element's zero: `ingress: [null]` would
    /// be an empty rule, which allows everything. `kubectl` refuses it, and so does this reader.
    pub(super) fn is_null_element(&self) -> bool {
        let in_list = self.frame.key.is_none() && self.frame.parent.is_some();
        in_list && self.sink.document.is_null(self.node)
    }

    /// A value of another type than `expected` ("a string").
    pub(super) fn wrong_type(&self, expected: &str) {
        let document = self.sink.document;
        let (span, route, subject) = (self.span(), self.frame.route(self.sink), self.subject());
        let text_wanted = expected.contains("string");
        let problem = match &document.node(self.node).value {
            Value::Scalar(scalar) => {
                let found = describe(scalar);
                let message = format!("{subject} must be {expected}, and {found}");
                let is_boolean = matches!(scalar.value(), Resolved::Bool(_));
                let code = if is_boolean && text_wanted {
                    Code::YAML_BOOLEAN
                } else {
                    Code::WRONG_TYPE
                };
                let label = format!("{}, not {expected}", scalar.value().type_name());
                let problem = Problem::new(code, route, span, message, label);
                if let Some(unrendered) = Unrendered::in_text(&scalar.text) {
                    return self.sink.report(problem.unrendered(unrendered));
                }
                match remedy(scalar, expected) {
                    // A tag says the type too, and contradicts another notation.
                    Some(remedy) if document.tag(self.node).is_none() => {
                        problem.help(remedy.help()).fix(remedy.draft(span))
                    }
                    Some(remedy) => problem.help(remedy.help()),
                    None => problem,
                }
            }
            Value::Sequence(elements) => {
                let message = format!("{subject} must be {expected}, and this is a list");
                let problem = Problem::new(
                    Code::WRONG_TYPE,
                    route,
                    span,
                    message,
                    format!("a list, not {expected}"),
                );
                match elements.len() {
                    1 if expected.contains("mapping") => problem.help("remove the `-` in front of it"),
                    _ => problem,
                }
            }
            Value::Mapping(_) => {
                let message = format!("{subject} must be {expected}, and this is a mapping");
                let problem = Problem::new(
                    Code::WRONG_TYPE,
                    route,
                    span,
                    message,
                    format!("a mapping, not {expected}"),
                );
                if self.is_template() {
                    problem.unrendered(Unrendered::Template)
                } else if expected.contains("list") {
                    problem.help("put `- ` in front of it to make it an element of a list")
                } else {
                    problem
                }
            }
        };
        self.sink.report(problem);
    }

    /// `{{ .Values.x }}` parses as a mapping with a mapping as its key.
    fn is_template(&self) -> bool {
        let faults = self.sink.document.faults(self.node);
        faults.iter().any(|fault| self.is_template_key(fault))
    }

    fn is_template_key(&self, fault: &MappingFault) -> bool {
        matches!(fault, MappingFault::NotText(key) if self.sink.document.mapping(*key).is_some())
    }

    /// A whole number that the field's type cannot hold.
    pub(super) fn out_of_range(&self, bits: u32) {
        let message = format!(
            "{} must be a whole number of {bits} bits, and this is too large",
            self.subject()
        );
        let route = self.frame.route(self.sink);
        self.sink.report(Problem::new(
            Code::WRONG_TYPE,
            route,
            self.span(),
            message,
            format!("does not fit {bits} bits"),
        ));
    }

    /// A timestamp that is not one.
    pub(super) fn invalid_time(&self) {
        let message = format!("{} must be a time such as `2026-01-31T08:00:00Z`", self.subject());
        let route = self.frame.route(self.sink);
        self.sink.report(Problem::new(
            Code::WRONG_TYPE,
            route,
            self.span(),
            message,
            "not a time",
        ));
    }

    /// A number that looks like another one, such as `010`.
    pub(super) fn check_notation(&self, scalar: &Scalar, value: i64) {
        // File modes are octal by custom, and a person who writes `0755` means it.
        let is_mode = self.frame.key.is_some_and(|key| {
            let key = self.sink.document.key_text(key);
            matches!(&*key, "mode" | "defaultMode")
        });
        if scalar.style == Style::Plain && !is_mode && *scalar.text != *value.to_string() {
            let message = format!("Kubernetes reads `{}` as {value}", scalar.text);
            let route = self.frame.route(self.sink);
            let problem = Problem::new(
                Code::NUMBER_NOTATION,
                route,
                self.span(),
                message,
                format!("this is {value}"),
            );
            let draft = Draft {
                applicability: Applicability::Suggestion,
                title: format!("write `{value}`"),
                span: self.span(),
                was: None,
                replacement: value.to_string(),
            };
            let help = format!("write `{value}`, or the number you meant, in plain decimal");
            self.sink.report(problem.help(help).fix(Some(draft)));
        }
    }

    /// An explicit tag that Kubernetes' reader does not accept, or whose type the text does not have.
    pub(super) fn check_tag(&self) {
        let tag = self.sink.document.tag(self.node);
        if let Some(tag) = tag.filter(|tag| !tag.understood) {
            let message = format!(
                "the tag of {} is unknown here, or the value is not of its type",
                self.subject()
            );
            let route = self.frame.route(self.sink);
            let problem = Problem::new(Code::WRONG_TYPE, route, tag.span, message, "this tag");
            self.sink
                .report(problem.help("remove the tag; quote the value if it is text"));
        }
    }

    /// Everything wrong with the keys of this mapping.
    pub(super) fn check_keys(&self) {
        for fault in self.sink.document.faults(self.node) {
            let problem = key_problem(self.sink, self.frame, fault);
            self.sink.report(problem);
        }
    }

    /// A field that `record` does not have.
    pub(super) fn unknown_field(&self, key: NodeId, value: NodeId, record: Record) {
        let document = self.sink.document;
        let route = self.frame.route(self.sink).then(&*document.key_text(key));
        // Written by the API server and controllers of any version, and read by nobody here.
        let relative = route
            .steps()
            .get(self.sink.prefix.steps().len()..)
            .unwrap_or_default();
        let written_by_server = match relative {
            [Step::Key(first), ..] if &**first == "status" => true,
            [Step::Key(first), Step::Key(second), ..] => {
                &**first == "metadata" && &**second == "managedFields"
            }
            _ => false,
        };
        if written_by_server {
            return;
        }
        let name = document.key_text(key);
        let message = format!("unknown field `{name}` in `{}`", record.name);
        let problem = Problem::new(
            Code::UNKNOWN_FIELD,
            route,
            document.node(key).span,
            message,
            "not a field here",
        );
        let mut problem = problem;
        problem.fix = self.renaming(key, record);
        let is_scalar = document.scalar(value).is_some();
        let given = |field: &str| document.entry(self.node, field).is_some();
        let help = suggest::help(&name, is_scalar, record, self.frame, given);
        self.sink.report(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }
}

impl Reader<'_> {
    /// The one field of `record` that an unknown key can stand for, where nobody else does.
    fn renaming(&self, key: NodeId, record: Record) -> Option<Draft> {
        let document = self.sink.document;
        let written = &*document.scalar(key)?.text;
        let mut open: Vec<&str> = record.fields.to_vec();
        open.retain(|field| document.entry(self.node, field).is_none());
        let (field, applicability) = suggest::sole(written, &open)?;
        let mut others = document.mapping(self.node)?.entries.iter();
        let stands_for_it = |other: NodeId| {
            let name = document.key_text(other);
            !record.fields.contains(&&*name) && suggest::nearest(&name, &open).contains(&field)
        };
        if others.any(|other| other.key != key && stands_for_it(other.key)) {
            return None;
        }
        Some(Draft {
            applicability,
            title: format!("write `{field}`"),
            span: document.node(key).span,
            was: Some(written.to_owned()),
            replacement: field.to_owned(),
        })
    }
}

/// The problem that a mapping's fault is.
pub(super) fn key_problem(sink: &Sink<'_>, frame: &Frame<'_>, fault: &MappingFault) -> Problem {
    let document = sink.document;
    let span = |id: NodeId| document.node(id).span;
    let route = |key: NodeId| frame.route(sink).then(&*document.key_text(key));
    match *fault {
        MappingFault::Duplicate { first, second } => {
            let name = document.key_text(second);
            let message = format!("`{name}` is given twice");
            let mut problem = Problem::new(
                Code::DUPLICATE_KEY,
                route(second),
                span(second),
                message,
                "given again here",
            );
            problem.related = Some((span(first), "first given here".to_owned()));
            problem.help("keep one of them: readers of YAML differ on which one counts")
        }
        MappingFault::MergeOrder { explicit, merged } => {
            let name = document.key_text(explicit);
            let message = format!("`{name}` is given here and again by the `<<` behind it");
            let mut problem = Problem::new(
                Code::DUPLICATE_KEY,
                route(explicit),
                span(explicit),
                message,
                "before the `<<`",
            );
            problem.related = Some((span(merged), "brought by `<<`".to_owned()));
            problem.help(
                "write the `<<` first: Kubernetes lets the merged value win here, other readers this one",
            )
        }
        MappingFault::MergeOfScalar(value) => {
            let message = "`<<` needs a mapping or a list of mappings".to_owned();
            Problem::new(
                Code::WRONG_TYPE,
                frame.route(sink).then("<<"),
                span(value),
                message,
                "not a mapping",
            )
        }
        MappingFault::NotText(key) => {
            let message = "a key must be text".to_owned();
            let problem = Problem::new(
                Code::WRONG_TYPE,
                frame.route(sink),
                span(key),
                message,
                "not text",
            );
            if document.mapping(key).is_some() {
                problem.unrendered(Unrendered::Template)
            } else {
                problem.help("quote the key")
            }
        }
    }
}

fn describe(scalar: &Scalar) -> String {
    let quoted = scalar.style != Style::Plain;
    match scalar.value() {
        Resolved::Null => "this is null".to_owned(),
        Resolved::String if quoted => "this is a string".to_owned(),
        Resolved::String if scalar.text.chars().count() <= 40 => format!("`{}` is a string", scalar.text),
        Resolved::String => "this is a string".to_owned(),
        Resolved::Bool(_) => format!("Kubernetes reads an unquoted `{}` as a boolean", scalar.text),
        other => format!("`{}` is {}", scalar.text, other.type_name()),
    }
}

/// The shortest edit that makes a scalar the type wanted.
enum Remedy<'s> {
    Quote(&'s str),
    Unquote(&'s str, Resolved),
    List(&'s str),
}

fn remedy<'s>(scalar: &'s Scalar, expected: &str) -> Option<Remedy<'s>> {
    let text = &*scalar.text;
    match scalar.value() {
        // Quoted, it would be a name with a dot in it, which is nothing either.
        Resolved::Float(_) if expected.contains("whole number") => None,
        Resolved::Bool(_) | Resolved::Int(_) | Resolved::Uint(_) | Resolved::Huge | Resolved::Float(_)
            if expected.contains("string") =>
        {
            Some(Remedy::Quote(text))
        }
        Resolved::String if scalar.style != Style::Plain => {
            let bare = crate::tree::scalar::resolve_plain(text);
            let would_do = match bare {
                Resolved::Int(_) => expected.contains("number"),
                Resolved::Bool(_) => expected.contains("boolean"),
                _ => false,
            };
            would_do.then_some(Remedy::Unquote(text, bare))
        }
        Resolved::String if expected.contains("list") && !text.contains(['[', '{', '\n']) => {
            Some(Remedy::List(text))
        }
        _ => None,
    }
}

impl Remedy<'_> {
    fn help(&self) -> String {
        match self {
            Self::Quote(text) => format!("quote it: \"{text}\""),
            Self::Unquote(text, _) => format!("remove the quotes: {text}"),
            Self::List(text) => format!("make it a list: [{text}]"),
        }
    }

    /// The edit, where it says exactly what the text said.
    fn draft(&self, span: Span) -> Option<Draft> {
        let (title, replacement) = match self {
            Self::Quote(text) => ("quote it", format!("\"{text}\"")),
            // `"010"` without its quotes is another number.
            Self::Unquote(text, bare) => {
                let same = match bare {
                    Resolved::Int(value) => *value.to_string() == **text,
                    Resolved::Bool(_) => matches!(*text, "true" | "false"),
                    _ => false,
                };
                same.then(|| ("remove the quotes", (*text).to_owned()))?
            }
            // In brackets some characters mean something.
            Self::List(text) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
                let is_word = !text.is_empty() && text.chars().all(plain);
                is_word.then(|| ("make it a list", format!("[{text}]")))?
            }
        };
        Some(Draft {
            applicability: Applicability::Safe,
            title: title.to_owned(),
            span,
            was: None,
            replacement,
        })
    }
}
