//! Markdown → cases: see `testdata/conformance/README.md` for the form.

use crate::analyses;
use crate::table::Table;
use libtest_mimic::Failed;
use portcullis_compiler::check::{self, Options, Understood};
use portcullis_compiler::limits::Limits;
use portcullis_compiler::load;
use portcullis_compiler::lower::{self, CidrMatch};
use serde_yaml::Value;
use std::path::{Path, PathBuf};

/// Where a case's own objects stand, as far as findings are concerned.
pub(crate) const FILE: &str = "case.yaml";
const CLUSTER: &str = "cluster.yaml";

/// Objects, and what may pass.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Folder, file and title.
    pub(crate) name: String,
    /// The case's own objects.
    pub(crate) yaml: String,
    /// Those it shares with others.
    cluster: String,
    cidr_match: CidrMatch,
    /// What may pass; none for a case that is refused.
    pub(crate) table: Option<Table>,
}

impl Case {
    /// What the compiler makes of it. An object of the case takes the place of the cluster's of the same name.
    pub(crate) fn read(&self) -> Result<Understood, Failed> {
        // Most cases bring policies alone, and then there is nothing to replace.
        let brings_context = self.yaml.contains("kind: Pod") || self.yaml.contains("kind: Namespace");
        let own = if brings_context {
            identities(&self.yaml)
        } else {
            Vec::new()
        };
        let cluster: Vec<_> = self
            .cluster
            .split("\n---\n")
            .filter(|document| own.is_empty() || identity(document).is_none_or(|name| !own.contains(&name)))
            .collect();
        let cluster = cluster.join("\n---\n");
        let files = [(FILE, self.yaml.as_bytes()), (CLUSTER, cluster.as_bytes())];
        let options = Options {
            lower: lower::Options {
                cidr_match: self.cidr_match,
            },
            ..Options::default()
        };
        let input = load::load_bytes(files, &Limits::default());
        let read = check::understand_input(input, &options);
        match read
            .findings
            .iter()
            .find(|finding| &*finding.labels[0].origin.file == CLUSTER)
        {
            Some(finding) => Err(format!("the shared cluster has a finding: {finding:?}").into()),
            None => Ok(read),
        }
    }
}

/// Kind, namespace and name of each object that can be told.
fn identities(stream: &str) -> Vec<(String, String, String)> {
    stream.split("\n---\n").filter_map(identity).collect()
}

fn identity(document: &str) -> Option<(String, String, String)> {
    let value: Value = serde_yaml::from_str(document).ok()?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let metadata = value.get("metadata");
    let field = |name: &str| text(metadata.and_then(|metadata| metadata.get(name)));
    Some((text(value.get("kind")), field("namespace"), field("name")))
}

/// Every `*.md` one folder down, but for the analyses, which have a form of their own.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in std::fs::read_dir(root).expect("testdata/conformance") {
        let folder = folder.unwrap().path();
        if folder.is_dir() && !folder.ends_with(analyses::FOLDER) {
            files.extend(
                std::fs::read_dir(folder)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    files
}

pub(crate) fn read(root: &Path, file: &Path) -> Vec<Case> {
    parse(root, file, &std::fs::read_to_string(file).unwrap())
}

/// The cases of one file's text.
pub(crate) fn parse(root: &Path, file: &Path, text: &str) -> Vec<Case> {
    let mut sections = text.split("\n## ");
    let head = sections.next().unwrap_or_default();
    let cluster = shared_cluster(file, head);
    let folder = file.strip_prefix(root).unwrap().with_extension("");
    let mut cases = Vec::new();
    for section in sections {
        let (title, body) = section.split_once('\n').unwrap();
        let name = format!("{}: {title}", folder.display());
        let section = Section::of(&name, body);
        let base = |yaml: String, cells: &dyn Fn(&str) -> Option<String>| Case {
            name: name.clone(),
            yaml,
            cluster: cluster.clone(),
            cidr_match: section.cidr_match,
            table: section
                .table
                .as_deref()
                .map(|table| Table::parse(&name, table, cells)),
        };
        if section.grid.is_empty() {
            cases.push(base(section.yaml.clone(), &|_| None));
        }
        for filling in &section.grid {
            let hole = format!("<{}>", section.holes[0]);
            assert!(section.yaml.contains(&hole), "{name}: no {hole}");
            let case = base(section.yaml.replace(&hole, &filling[0]), &|cell| {
                let column = section.holes.iter().skip(1).position(|hole| hole == cell)?;
                Some(filling[column + 1].clone())
            });
            cases.push(Case {
                name: format!("{name} {}", filling[0]),
                ..case
            });
        }
    }
    assert!(!cases.is_empty(), "{}: no case", file.display());
    cases
}

/// The file that the line `Cluster: [words](file)` links to.
pub(crate) fn shared_cluster(file: &Path, head: &str) -> String {
    let Some((_, rest)) = head.split_once("Cluster: [") else {
        return String::new();
    };
    let target = rest
        .split_once("](")
        .and_then(|(_, rest)| rest.split_once(')'))
        .unwrap()
        .0;
    let path = file.with_file_name(target);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The parts of a section: blocks by their language, and the rows of a Markdown table.
#[derive(Default)]
struct Section {
    yaml: String,
    cidr_match: CidrMatch,
    table: Option<String>,
    /// The header of the grid: the hole in the YAML, then the cells that each row fills.
    holes: Vec<String>,
    grid: Vec<Vec<String>>,
}

impl Section {
    fn of(name: &str, body: &str) -> Self {
        let mut section = Self::default();
        let mut lines = body.lines();
        while let Some(line) = lines.next() {
            if let Some(info) = line.strip_prefix("```") {
                let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
                let block = block.join("\n") + "\n";
                match info.split_once(' ').unwrap_or((info, "")) {
                    ("yaml", options) => {
                        assert_eq!(section.yaml, "", "{name}: two blocks of YAML");
                        section.yaml = block;
                        section.cidr_match = match options {
                            "" => CidrMatch::ByApi,
                            "cidr-match=external" => CidrMatch::External,
                            "cidr-match=all" => CidrMatch::All,
                            other => panic!("{name}: {other}"),
                        };
                    }
                    ("text", "") => section.table = Some(block),
                    other => panic!("{name}: a block of {other:?}"),
                }
            } else if let Some(row) = line.strip_prefix("| ") {
                let row: Vec<_> = row
                    .trim_end_matches('|')
                    .split(" | ")
                    .map(|cell| cell.trim().trim_matches('`').to_owned())
                    .collect();
                if section.holes.is_empty() {
                    section.holes = row;
                } else {
                    assert_eq!(row.len(), section.holes.len(), "{name}: {row:?}");
                    section.grid.push(row);
                }
            }
        }
        section
    }
}
