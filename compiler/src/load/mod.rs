//! Paths → sources → documents → objects.
//!
//! [`load`] tells the whole story in order: read every file, parse each into documents, open lists, decide about each
//! object by its kind, type those that are policy or context, count the rest. Files are read in parallel; results
//! stand in the order of file names, documents and list items, whatever order the paths were given in.

mod acceptances;
mod charts;
mod classify;
mod exclude;
mod object;
mod patches;
mod paths;
mod pod;
mod template;
#[cfg(test)]
mod tests;
mod texts;
mod walk;

pub(crate) use charts::name_charts;
pub use classify::Kind;
pub use exclude::{Exclude, NotAPattern, Pattern};
pub use object::{Object, ObjectKind, Place};
pub(crate) use paths::is_beside_manifests;
pub use paths::states;
pub use pod::{Container, Pod, PodSpec};
pub use texts::Texts;
pub(crate) use walk::{Walk, is_left_out, is_read};

use crate::de::Problem;
use crate::diagnostic::repository::plain;
use crate::diagnostic::{self, Code, Finding, Fix, ObjectName, Unrendered};
use crate::limits::Limits;
use crate::route;
use crate::route::Route;
use crate::source::{Source, SourceId, Sources, Span};
use crate::tree::{self, Document, MappingFault, NodeId, StreamFault, StreamFaultKind, Value};
use crate::triage::acceptance::Acceptance;
use classify::{At, Class, Instead};
use patches::{Fragment, Patch};
use paths::{Text, TextFault};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why input could not be read at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{path}`: {source}", path = path.display())]
pub struct LoadError {
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl LoadError {
    fn new(path: &Path, source: io::Error) -> Self {
        Self {
            path: path.to_owned(),
            source,
        }
    }
}

/// Everything that was read.
#[derive(Debug, Default)]
pub struct Input {
    /// Every file, by name; standard input is [`crate::source::STDIN`].
    pub sources: Sources,
    /// The objects that are policy or context, in the order of files, documents and list items.
    pub objects: Vec<Object>,
    /// The files of guarantees, by name.
    pub guarantees: Vec<SourceId>,
    /// How many objects of other kinds there are, by kind.
    pub skipped: BTreeMap<String, usize>,
    /// Findings that the input itself accepts, in the order of files and lines.
    pub acceptances: Vec<Acceptance>,
    /// The files that documents were made from, by file and document, where the tool that made them says so.
    pub templates: BTreeMap<(Arc<str>, u32), Arc<str>>,
    /// What aliases name, by file and in order: text that stands in several places.
    pub shared: BTreeMap<Arc<str>, Vec<Span>>,
    /// What is wrong with the input, sorted. When any of them [blocks analysis](Finding::blocks_analysis), answers
    /// about flows must be refused.
    pub findings: Vec<Finding>,
}

/// Reads any mix of files, directories and `-` (standard input).
///
/// # Errors
/// When a path does not exist or cannot be read. What is wrong *in* a file is a finding.
pub fn load(paths: &[PathBuf], limits: &Limits) -> Result<Input, LoadError> {
    load_with(paths, limits, &mut io::stdin())
}

/// [`load`] with another standard input.
///
/// # Errors
/// As [`load`].
pub fn load_with(paths: &[PathBuf], limits: &Limits, stdin: &mut dyn Read) -> Result<Input, LoadError> {
    load_all(paths, &[], &Exclude::default(), limits, stdin)
}

/// [`load_with`], and files of guarantees. In directories these are found by their extension, `.guarantees`, and what
/// `exclude` leaves out is not looked at.
///
/// # Errors
/// As [`load`].
pub fn load_all(
    paths: &[PathBuf],
    guarantees: &[PathBuf],
    exclude: &Exclude,
    limits: &Limits,
    stdin: &mut dyn Read,
) -> Result<Input, LoadError> {
    Ok(Texts::gather(paths, guarantees, exclude, limits, stdin)?.input(limits))
}

/// [`load`] for text in memory: names and bytes, in any order.
#[must_use]
pub fn load_bytes<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>, limits: &Limits) -> Input {
    load_bytes_with(files, [], limits)
}

/// [`load_bytes`], and files of guarantees.
#[must_use]
pub fn load_bytes_with<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    guarantees: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    limits: &Limits,
) -> Input {
    Texts::of_bytes(files, guarantees, limits).input(limits)
}

fn read_texts(texts: &[Text], limits: &Limits) -> Input {
    let mut input = Input::default();
    let numbered: Vec<_> = texts
        .iter()
        .map(|text| {
            let source = text.source.clone();
            let id = input.sources.push(source.clone());
            if text.guarantees {
                input.guarantees.push(id);
            }
            (id, source, text.fault, text.guarantees)
        })
        .collect();
    let mut files: Vec<File> = numbered
        .par_iter()
        .map(|(id, source, fault, guarantees)| match (fault, guarantees) {
            (None, true) => File::of_guarantees(source),
            (fault, _) => File::read(*id, source, *fault, limits, File::document),
        })
        .collect();
    let patches: Vec<Patch> = files
        .iter_mut()
        .flat_map(|file| std::mem::take(&mut file.patches))
        .collect();
    let named: BTreeSet<_> = patches::files(&patches).collect();
    let mut fragments = Vec::new();
    for (mut file, (id, source, fault, _)) in files.into_iter().zip(&numbered) {
        if named.contains(&*plain(Path::new(&*file.name))) {
            // Any file may name another as a patch, so this one was read as objects.
            file = File::read(*id, source, *fault, limits, File::patch);
            fragments.append(&mut file.fragments);
        }
        for (document, template) in file.templates {
            input.templates.insert((file.name.clone(), document), template);
        }
        input.objects.extend(file.objects);
        input.findings.extend(file.findings);
        input.acceptances.extend(file.acceptances);
        if !file.shared.is_empty() {
            input.shared.insert(file.name, file.shared);
        }
        for (kind, count) in file.skipped {
            *input.skipped.entry(kind).or_default() += count;
        }
    }
    let findings = patches::not_applied(&patches, &fragments, &input.objects);
    input.findings.extend(findings);
    diagnostic::sort(&mut input.findings);
    input
}

/// What one file gave.
#[derive(Default)]
struct File {
    name: Arc<str>,
    /// What its documents were made from.
    templates: Vec<(u32, Arc<str>)>,
    /// What it says as a kustomization.
    patches: Vec<Patch>,
    /// The policies in it, where it is read as a patch.
    fragments: Vec<Fragment>,
    objects: Vec<Object>,
    skipped: BTreeMap<String, usize>,
    acceptances: Vec<Acceptance>,
    /// What aliases name.
    shared: Vec<Span>,
    findings: Vec<Finding>,
}

impl File {
    /// Reads each of its documents with `each`.
    fn read(
        id: SourceId,
        source: &Arc<Source>,
        fault: Option<TextFault>,
        limits: &Limits,
        each: impl Fn(&mut Self, Place, &Limits),
    ) -> Self {
        let mut file = Self {
            name: source.name().clone(),
            ..Self::default()
        };
        if let Some(fault) = fault {
            file.findings.push(text_finding(source, fault));
            return file;
        }
        let stream = tree::parse(source, limits);
        for fault in &stream.faults {
            file.findings.push(stream_finding(source, fault));
        }
        for document in stream.documents {
            file.templates
                .extend(template::of(source, &document).map(|from| (document.index, from)));
            file.shared.extend(document.shared());
            let node = document.root();
            let place = Place {
                source_id: id,
                source: source.clone(),
                document: Arc::new(document),
                node,
                route: Route::root(),
            };
            file.accept(acceptances::in_comments(&place));
            each(&mut file, place, limits);
        }
        file
    }

    /// What guarantees say is read with the model that they speak of (`crate::prove`).
    fn of_guarantees(source: &Source) -> Self {
        let mut file = Self {
            name: source.name().clone(),
            ..Self::default()
        };
        file.accept(acceptances::in_guarantees(source));
        file
    }

    fn accept(&mut self, read: acceptances::Read) {
        self.acceptances.extend(read.acceptances);
        self.findings.extend(read.findings);
    }

    fn document(&mut self, place: Place, limits: &Limits) {
        self.patches.extend(patches::of(&place, limits));
        self.object(place, None);
    }

    /// Reads a document of a file that a kustomization names as a patch. It is no object.
    fn patch(&mut self, place: Place, _: &Limits) {
        if place.document.is_null(place.node) {
            return;
        }
        *self.skipped.entry(classify::PATCH.to_owned()).or_default() += 1;
        if let Some(policy) = patches::policy(&place.document) {
            self.accept(acceptances::in_annotations(&place, &policy));
            self.fragments.push(Fragment {
                file: plain(Path::new(&*self.name)),
                origin: place.origin(&route!["metadata", "name"]),
                policy,
            });
        }
    }

    /// Reads the object at `place`. In a list, `default` is the kind and version of items that do not say.
    fn object(&mut self, place: Place, default: Option<(&str, &str)>) {
        let document = place.document.clone();
        if document.is_null(place.node) {
            return;
        }
        self.envelope_duplicates(&place);
        let text = |key| document.text(place.node, key);
        let (default_kind, default_version) = default.unzip();
        let version = text("apiVersion").or(default_version);
        let kind = text("kind").or(default_kind);
        if let Some(kind) = kind
            && self.list(&place, version, kind)
        {
            return;
        }
        let has = |key| document.entry(place.node, key).is_some();
        match classify::classify(version, kind, has("metadata") || has("spec")) {
            Class::Read(kind) => self.typed(kind, place),
            Class::Skip(name) => {
                // Nothing is found in it, so what it accepts is told to have no effect.
                let object = name_in_tree(&document, place.node, kind.unwrap_or_default());
                self.accept(acceptances::in_annotations(&place, &object));
                *self.skipped.entry(name).or_default() += 1;
            }
            Class::Refuse(finding, at, instead) => {
                let (key, written) = match at {
                    At::ApiVersion => ("apiVersion", version),
                    At::Kind => ("kind", kind),
                };
                let origin = place.origin(&Route::root().then(key));
                let name = name_in_tree(&document, place.node, kind.unwrap_or_default());
                let mut finding = finding.at(origin.clone(), "").about(name).blocking();
                if let (Some(Instead { word, applicability }), Some(written)) = (instead, written) {
                    finding = finding.fix(Fix::rewording(applicability, origin, written, word));
                }
                self.findings.push(finding);
            }
        }
    }

    /// Opens `List`, `PodList` and their like. False when it is not one.
    fn list(&mut self, place: &Place, version: Option<&str>, kind: &str) -> bool {
        let document = &place.document;
        let Some(item_kind) = classify::item_kind(kind).or((kind == "List").then_some("")) else {
            return false;
        };
        let Some(entry) = document.entry(place.node, "items") else {
            return false;
        };
        let Value::Sequence(items) = &document.node(entry.value).value else {
            return false;
        };
        let default = version
            .filter(|_| !item_kind.is_empty())
            .map(|version| (item_kind, version));
        for (index, &node) in items.iter().enumerate() {
            let item = Place {
                node,
                route: place.route.then("items").then(index),
                ..place.clone()
            };
            self.object(item, default);
        }
        true
    }

    fn typed(&mut self, kind: Kind, place: Place) {
        let reading = object::read(kind, &place.document, place.node, &place.route);
        let incomplete = reading.problems.iter().any(Problem::is_error);
        let mut name = name_in_tree(&place.document, place.node, kind.name());
        if kind.is_namespaced() {
            name.namespace.get_or_insert_with(|| "default".to_owned());
        } else {
            name.namespace = None;
        }
        self.accept(acceptances::in_annotations(&place, &name));
        for problem in reading.problems {
            self.findings
                .push(object::finding(problem, &place, &name, kind.is_policy()));
        }
        if let Some(kind) = reading.value {
            self.objects.push(Object {
                kind,
                name,
                place,
                incomplete,
            });
        }
    }

    /// A second `kind` or `apiVersion` decides what the object is, also for kinds that would be skipped.
    fn envelope_duplicates(&mut self, place: &Place) {
        let document = &place.document;
        for fault in document.faults(place.node) {
            let MappingFault::Duplicate { first, second } = *fault else {
                continue;
            };
            let key = document.key_text(second);
            if !matches!(&*key, "kind" | "apiVersion") {
                continue;
            }
            let route = place.route.then(&*key);
            let at = |id: NodeId| place.origin_at(&route, document.node(id).span);
            let help = "keep one of them: readers of YAML differ on which one counts";
            let finding = Finding::new(Code::DUPLICATE_KEY, format!("`{key}` is given twice"))
                .at(at(second), "given again here")
                .because(at(first), "first given here")
                .about(name_in_tree(
                    document,
                    place.node,
                    document.text(place.node, "kind").unwrap_or_default(),
                ));
            self.findings.push(finding.help(help).blocking());
        }
    }
}

/// The name an object says it has, before or without typing it.
fn name_in_tree(document: &Document, node: NodeId, kind: &str) -> ObjectName {
    let metadata = document.entry(node, "metadata").map(|entry| entry.value);
    let field = |key| {
        metadata
            .and_then(|metadata| document.text(metadata, key))
            .filter(|text| !text.is_empty())
    };
    ObjectName {
        kind: kind.to_owned(),
        namespace: field("namespace").map(str::to_owned),
        name: field("name")
            .or_else(|| field("generateName"))
            .unwrap_or_default()
            .to_owned(),
    }
}

fn text_finding(source: &Source, fault: TextFault) -> Finding {
    let at = |offset: usize| {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        object::origin(source, 0, &Route::root(), Span::new(offset, offset))
    };
    match fault {
        TextFault::NotUtf8 { at: offset, utf16 } => {
            let finding = Finding::new(Code::UNPARSABLE, "this file is not UTF-8 text");
            let finding = finding.at(at(offset), "first byte that is not UTF-8");
            let help = if utf16 {
                "it looks like UTF-16: save it as UTF-8"
            } else {
                "save it as UTF-8"
            };
            finding.help(help).blocking()
        }
        TextFault::TooLong(limit) => limit_finding("bytes in a file", limit).at(at(0), "").blocking(),
    }
}

fn stream_finding(source: &Source, fault: &StreamFault) -> Finding {
    let origin = object::origin(source, fault.document, &Route::root(), fault.span);
    match &fault.kind {
        StreamFaultKind::Syntax(reason) => {
            let finding = Finding::new(Code::UNPARSABLE, format!("this is not valid YAML: {reason}"));
            let line = source.line(origin.line).map_or("", |(_, line)| line);
            let finding = finding.at(origin, "here").blocking();
            if let Some(unrendered) = Unrendered::in_text(line) {
                finding.unrendered(unrendered)
            } else if line.starts_with('\t') || line.trim_start_matches(' ').starts_with('\t') {
                finding.help("indent with spaces: YAML does not allow tabs there")
            } else {
                finding
            }
        }
        StreamFaultKind::Limit(what, limit) => limit_finding(what, *limit).at(origin, "").blocking(),
        StreamFaultKind::Boundary => Finding::new(
            Code::DOCUMENT_BOUNDARY,
            "`kubectl` does not read the document that starts here",
        )
        .at(origin, "this document")
        .help("put `---` on a line of its own in front of it")
        .blocking(),
        StreamFaultKind::AmbiguousCharacter(found) => {
            let code = u32::from(*found);
            let message = format!("readers of YAML differ on what U+{code:04X} means");
            let finding = Finding::new(Code::AMBIGUOUS_CHARACTER, message).at(origin, "this character");
            finding.help("remove the character, end lines with LF, or write it as an escape in a double-quoted string").blocking()
        }
    }
}

fn limit_finding(what: &str, limit: u64) -> Finding {
    Finding::new(
        Code::LIMIT_EXCEEDED,
        format!("there are more than {limit} {what}"),
    )
    .help("nothing behind this point was read; split the input, or raise the limit with `--limits`")
}
