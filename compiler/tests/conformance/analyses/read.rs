//! Markdown → sets of policies and questions: see `testdata/conformance/analyses/README.md` for the form.

use crate::case::shared_cluster;
use ir::model::Model;
use libtest_mimic::Failed;
use portcullis_compiler::check::{self, Options, Understood};
use portcullis_compiler::limits::Limits;
use portcullis_compiler::load;
use portcullis_compiler::lower::{self, CidrMatch};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A heading with what is below it.
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) sets: Arc<Sets>,
    pub(crate) questions: Vec<Question>,
}

/// A row.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The test that publishes the answer.
    pub(crate) there: String,
    /// What is asked, in that program's words.
    pub(crate) kind: String,
    /// Of which sets: `a`, or `a/policy`.
    pub(crate) sets: Vec<String>,
    pub(crate) published: usize,
    /// What Portcullis tells.
    pub(crate) here: usize,
    /// Why it may be another number.
    pub(crate) why: Vec<String>,
}

impl Question {
    pub(crate) fn words(&self) -> String {
        format!("{} {}", self.kind, self.sets.join(" "))
    }
}

/// Named sets of policies, over the same pods.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sets {
    yaml: BTreeMap<String, String>,
    cluster: String,
}

impl Sets {
    /// The pods with the policies of a set, or with one of them.
    pub(crate) fn understood(&self, name: &str) -> Result<Understood, Failed> {
        let (set, policy) = match name.split_once('/') {
            Some((set, policy)) => (set, Some(policy)),
            None => (name, None),
        };
        let yaml = self.yaml.get(set).ok_or_else(|| format!("no set {set}"))?;
        let wanted = policy.map(|policy| format!("metadata: {{name: {policy},"));
        let documents = yaml.split("\n---\n");
        let documents: Vec<_> = documents
            .filter(|document| wanted.as_ref().is_none_or(|wanted| document.contains(wanted)))
            .collect();
        if policy.is_some() && documents.len() != 1 {
            return Err(format!("{} policies are {name}", documents.len()).into());
        }
        self.with(&documents.join("\n---\n"))
    }

    /// The pods without policies.
    pub(crate) fn bare(&self) -> Result<Model, Failed> {
        Ok(self.with("")?.model)
    }

    fn with(&self, policies: &str) -> Result<Understood, Failed> {
        let files = [("policies.yaml", policies), ("cluster.yaml", &*self.cluster)];
        let files = files.map(|(name, text)| (name, text.as_bytes()));
        let options = Options {
            lower: lower::Options {
                // As the other program reads address blocks.
                cidr_match: CidrMatch::External,
            },
            ..Options::default()
        };
        let read = check::understand_input(load::load_bytes(files, &Limits::default()), &options);
        match read.findings.as_slice() {
            [] => Ok(read),
            findings => Err(format!("{findings:#?}").into()),
        }
    }
}

/// The sections of every file of the folder that has a cluster.
pub(crate) fn sections(folder: &Path) -> Vec<Section> {
    let entries = std::fs::read_dir(folder).expect("testdata/conformance/analyses");
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.retain(|file| file.file_name().is_some_and(|name| name != "README.md"));
    files.sort();
    let mut sections = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        let mut parts = text.split("\n## ");
        let cluster = shared_cluster(&file, parts.next().unwrap_or_default());
        for part in parts {
            let (title, body) = part.split_once('\n').unwrap();
            sections.push(section(&format!("{stem}: {title}"), body, &cluster));
        }
    }
    sections
}

fn section(name: &str, body: &str, cluster: &str) -> Section {
    let mut sets = Sets {
        cluster: cluster.to_owned(),
        ..Sets::default()
    };
    let mut questions = Vec::new();
    let mut lines = body.lines();
    while let Some(line) = lines.next() {
        if let Some(set) = line.strip_prefix("```yaml ") {
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            sets.yaml.insert(set.to_owned(), block.join("\n") + "\n");
        } else if let Some(row) = line.strip_prefix("| ") {
            questions.extend(question(name, row));
        }
    }
    assert!(!questions.is_empty(), "{name}: no question");
    Section {
        name: name.to_owned(),
        sets: Arc::new(sets),
        questions,
    }
}

/// A row of the table; none for its head.
fn question(name: &str, row: &str) -> Option<Question> {
    let cells: Vec<_> = row.trim_end_matches('|').split('|').map(str::trim).collect();
    let [there, asked, published, here, why] = cells.as_slice() else {
        panic!("{name}: {row}");
    };
    if *there == "there" {
        return None;
    }
    let mut words = asked.split(' ').map(str::to_owned);
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{name}: {row}"));
    Some(Question {
        there: (*there).to_owned(),
        kind: words.next().unwrap(),
        sets: words.collect(),
        published: number(published),
        here: number(here),
        why: why
            .split(", ")
            .filter(|why| !why.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}
