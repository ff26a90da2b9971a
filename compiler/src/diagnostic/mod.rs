//! Findings: what is wrong in a manifest, where, and what to do about it.
//!
//! [`Finding`] is what every check produces; each output format is one file that renders the same sorted list. What
//! the user wrote is untrusted text: it is escaped where it is rendered ([`escape`]), never before.

mod canvas;
pub mod code;
pub mod escape;
pub mod fingerprint;
pub mod fix;
pub mod line_hash;
pub mod named_ports;
pub mod report;
pub mod repository;
pub mod unrendered;
pub mod wrap;

// One file for each format.
pub mod github;
pub mod gitlab;
pub mod human;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod sarif;

#[cfg(test)]
mod tests;

pub use code::{Code, Severity};
pub use fix::{Applicability, Edit, Fix};
pub use named_ports::{Engines, NamedPorts};
pub use repository::Repository;
pub use unrendered::Unrendered;

use ir::origin::Origin;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// One thing to tell the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its permanent code.
    pub code: Code,
    /// How much it matters; the code's default unless set otherwise.
    pub severity: Severity,
    /// What is wrong, one sentence without a full stop, user text in backticks.
    pub message: String,
    /// How to fix it.
    pub help: Option<String>,
    /// What has to fill in its place before that can be judged.
    pub unrendered: Option<Unrendered>,
    /// Places in the input; the first primary one is where the finding is.
    pub labels: Vec<Label>,
    /// The objects it is about.
    pub objects: Vec<ObjectName>,
    /// A concrete flow that shows it.
    pub witness: Option<Witness>,
    /// What the pods concerned call their ports, where it is about port names.
    pub named_ports: NamedPorts,
    /// What each engine does, where they differ.
    pub engines: Option<Engines>,
    /// Edits that would make it go away. Several are alternatives, of which a person picks one.
    pub fixes: Vec<Fix>,
    /// Whether answers about flows would rest on what could not be read. Verbs that analyse must refuse, not guess.
    pub blocks_analysis: bool,
    /// Why it does not count, if so. It stays visible in formats for programs.
    pub accepted: Option<Accepted>,
}

/// Why a finding does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The reason given.
    pub reason: String,
    /// Where it was given.
    pub by: AcceptedBy,
}

/// What accepted a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AcceptedBy {
    /// A comment beside it.
    Comment,
    /// An annotation of the object that it is in.
    Annotation,
    /// A baseline file.
    Baseline,
}

impl AcceptedBy {
    /// The word in formats for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Comment => "comment",
            Self::Annotation => "annotation",
            Self::Baseline => "baseline",
        }
    }

    /// The word in a sentence.
    #[must_use]
    pub fn with_article(self) -> &'static str {
        match self {
            Self::Comment => "a comment",
            Self::Annotation => "an annotation",
            Self::Baseline => "a baseline",
        }
    }
}

/// A place in the input and what to say there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// Where.
    pub origin: Origin,
    /// What to say there; may be empty.
    pub text: String,
    /// Whether the finding is *here*, rather than explained by it.
    pub primary: bool,
    /// The file that a tool made this place from, where that is known ([`name_templates`]).
    pub template: Option<Arc<str>>,
}

impl Label {
    /// The file that a tool made this place from, in words: `made from shop/templates/policy.yaml`.
    #[must_use]
    pub fn made_from(&self) -> Option<String> {
        let template = self.template.as_ref()?;
        Some(format!("made from {template}"))
    }
}

/// Kind, namespace and name of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The kind, such as `NetworkPolicy`.
    pub kind: String,
    /// The namespace; `None` for kinds without one.
    pub namespace: Option<String>,
    /// The name; empty when the object has none.
    pub name: String,
}

/// A concrete flow that shows a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The source: `namespace/name` or an address.
    pub from: String,
    /// The destination: `namespace/name` or an address.
    pub to: String,
    /// The protocol, such as `TCP`.
    pub protocol: String,
    /// The destination port, or the ICMP type; `None` for protocols without.
    pub port: Option<u16>,
}

/// `shop/web → shop/api, TCP 8080`
impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}, {}", self.from, self.to, self.protocol)?;
        match self.port {
            Some(port) => write!(f, " {port}"),
            None => Ok(()),
        }
    }
}

impl Finding {
    /// A finding with the code's default severity and nothing else yet.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.default_severity(),
            message: message.into(),
            help: None,
            unrendered: None,
            labels: Vec::new(),
            objects: Vec::new(),
            witness: None,
            named_ports: NamedPorts::default(),
            engines: None,
            fixes: Vec::new(),
            blocks_analysis: false,
            accepted: None,
        }
    }

    /// Says how to fix it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what has to fill in its place first. What is written there is not mended.
    #[must_use]
    pub fn unrendered(mut self, unrendered: Unrendered) -> Self {
        self.unrendered = Some(unrendered);
        self.help = Some(unrendered.help().to_owned());
        self.fixes.clear();
        self
    }

    /// Adds the place where the finding is.
    #[must_use]
    pub fn at(self, origin: Origin, text: impl Into<String>) -> Self {
        self.label(origin, text, true)
    }

    /// Adds a place that explains it.
    #[must_use]
    pub fn because(self, origin: Origin, text: impl Into<String>) -> Self {
        self.label(origin, text, false)
    }

    fn label(mut self, origin: Origin, text: impl Into<String>, primary: bool) -> Self {
        self.labels.push(Label {
            origin,
            text: text.into(),
            primary,
            template: None,
        });
        self
    }

    /// Adds an object that it is about.
    #[must_use]
    pub fn about(mut self, object: ObjectName) -> Self {
        self.objects.push(object);
        self
    }

    /// Shows it by a concrete flow.
    #[must_use]
    pub fn witness(mut self, witness: Witness) -> Self {
        self.witness = Some(witness);
        self
    }

    /// Says what the pods concerned call their ports.
    #[must_use]
    pub fn named_ports(mut self, named_ports: NamedPorts) -> Self {
        self.named_ports = named_ports;
        self
    }

    /// Says what each engine does.
    #[must_use]
    pub fn engines(mut self, engines: Engines) -> Self {
        self.engines = Some(engines);
        self
    }

    /// Adds a way to mend it.
    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fixes.push(fix);
        self
    }

    /// Says that answers about flows would rest on what could not be read.
    #[must_use]
    pub fn blocking(mut self) -> Self {
        self.blocks_analysis = true;
        self
    }

    /// Says why it does not count.
    #[must_use]
    pub fn accepted(mut self, reason: impl Into<String>, by: AcceptedBy) -> Self {
        let reason = reason.into();
        self.accepted = Some(Accepted { reason, by });
        self
    }

    /// Whether it counts: nothing accepted it.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.accepted.is_none()
    }

    /// The first primary label, else the first.
    #[must_use]
    pub fn primary(&self) -> Option<&Label> {
        self.labels
            .iter()
            .find(|label| label.primary)
            .or_else(|| self.labels.first())
    }
}

/// Says of each place which file a tool made it from; `templates` are by file and document.
pub fn name_templates(findings: &mut [Finding], templates: &BTreeMap<(Arc<str>, u32), Arc<str>>) {
    if templates.is_empty() {
        return;
    }
    for label in findings.iter_mut().flat_map(|finding| &mut finding.labels) {
        let place = (label.origin.file.clone(), label.origin.document);
        label.template = templates.get(&place).cloned();
    }
}

/// Sorts by place, then code, then text, and joins repetitions: the one order of findings in every format.
///
/// What is written once and read several times (an alias, a merge key) gives the same finding each time, along
/// different paths and about different objects. It is said once, about all of them.
pub fn sort(findings: &mut Vec<Finding>) {
    findings.sort_by(|a, b| {
        let place = |finding: &Finding| finding.primary().map(|label| label.origin.clone());
        (place(a), a.code, &a.message, &a.labels, &a.help, &a.objects).cmp(&(
            place(b),
            b.code,
            &b.message,
            &b.labels,
            &b.help,
            &b.objects,
        ))
    });
    findings.dedup_by(|next, kept| {
        let same = next == kept || says_the_same(next, kept);
        if same {
            kept.objects.append(&mut next.objects);
            kept.objects.sort();
            kept.objects.dedup();
            kept.blocks_analysis |= next.blocks_analysis;
        }
        same
    });
}

/// Whether two findings differ at most in paths and objects.
fn says_the_same(a: &Finding, b: &Finding) -> bool {
    let place = |origin: &Origin| (origin.line, origin.column, origin.end_line, origin.end_column);
    let same_label = |(a, b): (&Label, &Label)| {
        let same_place = a.origin.file == b.origin.file && place(&a.origin) == place(&b.origin);
        same_place && a.text == b.text && a.primary == b.primary
    };
    (a.code, a.severity, &a.message, &a.help, &a.witness)
        == (b.code, b.severity, &b.message, &b.help, &b.witness)
        && !a.labels.is_empty()
        && a.labels.len() == b.labels.len()
        && a.labels.iter().zip(&b.labels).all(same_label)
}

/// How many findings there are of each severity, and how many that do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Notes.
    pub notes: usize,
    /// Accepted ones, of any severity; they are in none of the other numbers.
    pub accepted: usize,
}

impl Counts {
    /// Counts `findings`.
    #[must_use]
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut counts = Self::default();
        for finding in findings {
            match finding.severity {
                _ if !finding.counts() => counts.accepted += 1,
                Severity::Error => counts.errors += 1,
                Severity::Warning => counts.warnings += 1,
                Severity::Note => counts.notes += 1,
            }
        }
        counts
    }
}
