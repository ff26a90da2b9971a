//! From TOML to settings, with a finding for everything that is none.

use super::{Config, FailOn};
use crate::de::suggest;
use crate::diagnostic::{self, Code, Finding, Severity};
use crate::lower::CidrMatch;
use crate::source::{Source, Span};
use crate::triage::codes::Codes;
use ir::origin::Origin;
use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The keys of the file.
pub(super) const KEYS: &[&str] = &[
    "allow-empty",
    "baseline",
    "cache",
    "cidr-match",
    "cluster-name",
    "exclude",
    "fail-on",
    "ignore",
    "select",
    "severity",
    "solver",
];

/// The levels of a finding.
const LEVELS: &[(&str, Severity)] = &[
    ("error", Severity::Error),
    ("warning", Severity::Warning),
    ("note", Severity::Note),
];

pub(crate) fn read(source: &Source) -> (Config, Vec<Finding>) {
    let mut reader = Reader {
        source,
        findings: Vec::new(),
    };
    let mut config = Config::default();
    match DeTable::parse(source.text()) {
        Ok(table) => reader.file(table.get_ref(), &mut config),
        Err(error) => {
            let message = format!("this is not valid TOML: {}", error.message());
            reader.report(error.span().unwrap_or_default(), message, "here", None);
        }
    }
    diagnostic::sort(&mut reader.findings);
    (config, reader.findings)
}

struct Reader<'s> {
    source: &'s Source,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn file(&mut self, table: &DeTable<'_>, config: &mut Config) {
        for (key, value) in table {
            match &**key.get_ref() {
                "exclude" => config.exclude = self.list(value, "patterns"),
                "select" => config.chosen.select = self.list(value, "codes"),
                "ignore" => config.chosen.ignore = self.list(value, "codes"),
                "severity" => config.severity = self.severities(value),
                "fail-on" => config.fail_on = self.fail_on(value),
                "cidr-match" => config.cidr_match = self.cidr_match(value),
                "cluster-name" => config.cluster_name = self.text(value).map(ToOwned::to_owned),
                "baseline" => config.baseline = self.text(value).map(Into::into),
                "cache" => config.cache = self.text(value).map(Into::into),
                "solver" => config.solver = self.boolean(value),
                "allow-empty" => config.allow_empty = self.boolean(value),
                unknown => {
                    let help = match suggest::nearest(unknown, KEYS).first() {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("the keys are {}", quoted(KEYS.iter())),
                    };
                    let message = format!("unknown key `{unknown}`");
                    self.report(key.span(), message, "not a key here", Some(help));
                }
            }
        }
    }

    fn report(&mut self, span: Range<usize>, message: String, label: &str, help: Option<String>) {
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let span = Span::new(offset(span.start), offset(span.end));
        let (start, end) = (self.source.position(span.start), self.source.position(span.end));
        let origin = Origin {
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
            ..Origin::synthetic(self.source.name())
        };
        let mut finding = Finding::new(Code::CONFIGURATION, message).at(origin, label);
        finding.help = help;
        self.findings.push(finding);
    }

    fn wrong_type<T>(&mut self, value: &Spanned<DeValue<'_>>, expected: &str) -> Option<T> {
        let found = value.get_ref().type_str();
        let message = format!("this must be {expected}, and is a TOML {found}");
        self.report(value.span(), message, "of another type", None);
        None
    }

    fn text<'v>(&mut self, value: &'v Spanned<DeValue<'_>>) -> Option<&'v str> {
        match value.get_ref().as_str() {
            Some(text) => Some(text),
            None => self.wrong_type(value, "a string"),
        }
    }

    fn boolean(&mut self, value: &Spanned<DeValue<'_>>) -> Option<bool> {
        match value.get_ref().as_bool() {
            Some(boolean) => Some(boolean),
            None => self.wrong_type(value, "true or false"),
        }
    }

    fn list<T>(&mut self, value: &Spanned<DeValue<'_>>, of: &str) -> Vec<T>
    where
        T: FromStr<Err: Display>,
    {
        let Some(array) = value.get_ref().as_array() else {
            return self
                .wrong_type(value, &format!("a list of {of}"))
                .unwrap_or_default();
        };
        let elements = array.iter().filter_map(|element| {
            let text = self.text(element)?;
            self.parsed(text, element.span())
        });
        elements.collect()
    }

    fn parsed<T>(&mut self, text: &str, span: Range<usize>) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.report(span, error.to_string(), "not known", None);
                None
            }
        }
    }

    fn severities(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<(Codes, Severity)> {
        let Some(table) = value.get_ref().as_table() else {
            return self
                .wrong_type(value, "a table of codes and levels")
                .unwrap_or_default();
        };
        let mut severities = Vec::new();
        for (key, value) in table {
            let codes = self.parsed(key.get_ref(), key.span());
            let level = self.one_of(value, LEVELS);
            severities.extend(codes.zip(level));
        }
        severities
    }

    fn fail_on(&mut self, value: &Spanned<DeValue<'_>>) -> Option<FailOn> {
        let levels = LEVELS.iter().map(|&(word, level)| (word, FailOn::Level(level)));
        let words: Vec<_> = levels.chain([("never", FailOn::Never)]).collect();
        self.one_of(value, &words)
    }

    fn cidr_match(&mut self, value: &Spanned<DeValue<'_>>) -> Option<CidrMatch> {
        let words = [
            ("by-api", CidrMatch::ByApi),
            ("external", CidrMatch::External),
            ("all", CidrMatch::All),
        ];
        self.one_of(value, &words)
    }

    fn one_of<T: Copy>(&mut self, value: &Spanned<DeValue<'_>>, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(value)?;
        if let Some((_, found)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*found);
        }
        let help = format!("write one of {}", quoted(words.iter().map(|(word, _)| word)));
        self.report(
            value.span(),
            format!("`{text}` is not a value here"),
            "not known",
            Some(help),
        );
        None
    }
}

fn quoted<'w>(words: impl Iterator<Item = &'w &'w str>) -> String {
    let words: Vec<_> = words.map(|word| format!("`{word}`")).collect();
    words.join(", ")
}
