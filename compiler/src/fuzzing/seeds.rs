//! What a fuzzer starts from: everything in `testdata/`, in the form that each target reads.

use super::LIMITS;
use crate::check::{self, Options};
use crate::synthetic::random::Random;
use crate::{config, load};
use std::fs;
use std::io;
use std::path::Path;

/// An input for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The target's name.
    pub target: &'static str,
    /// The input.
    pub bytes: Vec<u8>,
}

impl Seed {
    fn new(target: &'static str, text: impl Into<Vec<u8>>) -> Self {
        Self {
            target,
            bytes: text.into(),
        }
    }
}

/// How many documents are started from where choices make them.
const CHOSEN: usize = 40;

/// How many choices each of them has.
const CHOICES: usize = 320;

/// Every seed, in the order of the files' names.
///
/// # Errors
/// When `testdata` cannot be read.
pub fn of(testdata: &Path) -> io::Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    for text in manifests(testdata)? {
        let bytes = text.as_bytes();
        let input = load::load_bytes([("input.yaml", bytes)], &LIMITS);
        let understood = check::understand_input(input, &Options::default());
        if !understood.blocked() {
            seeds.push(Seed::new("text", ir::text::print(&understood.model)));
        }
        for target in ["tree", "manifests"] {
            seeds.push(Seed::new(target, bytes));
        }
    }
    let guarantees = include_str!("../../../docs/guarantees.md");
    for block in blocks(guarantees, "text")
        .into_iter()
        .chain(blocks(guarantees, ""))
    {
        seeds.extend(block.lines().map(|line| Seed::new("guarantees", line)));
        seeds.push(Seed::new("guarantees", block));
    }
    seeds.push(Seed::new("decisions", config::TEMPLATE));
    // Every setting, as the template explains it.
    let set = config::TEMPLATE.replace("\n# ", "\n").replace("\n#", "\n");
    seeds.push(Seed::new("decisions", set));
    for line in [
        "# portcullis: allow[PC201, rule-redundant] two catalogs until=2027-01-31",
        "portcullis.io/allow.PC201: on purpose",
        "PC2\nPC201\nnamed-port-many-numbers\n2027-01-31\nbytes=1Mi,depth=40",
        r#"{"version": 1, "findings": [{"code": "PC201", "fingerprint": "0", "message": ""}]}"#,
    ] {
        seeds.push(Seed::new("decisions", line));
    }
    let mut random = Random::new(1);
    for target in ["policies", "conflicts"] {
        for _ in 0..CHOSEN {
            let choices = (0..CHOICES).map(|_| u8::try_from(random.below(256)).unwrap_or(0));
            seeds.push(Seed::new(target, choices.collect::<Vec<u8>>()));
        }
    }
    Ok(seeds)
}

/// The manifests below a folder: files of their own, and blocks in Markdown.
fn manifests(folder: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut entries = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension {
            _ if path.is_dir() => found.extend(manifests(&path)?),
            Some("yaml") => found.push(fs::read_to_string(&path)?),
            Some("md") => found.extend(blocks(&fs::read_to_string(&path)?, "yaml")),
            _ => {}
        }
    }
    Ok(found)
}

/// The blocks of a language in Markdown.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    // What stands between two fences, or between a block's end and the next one's beginning.
    for (number, part) in markdown.split("\n```").enumerate() {
        let (info, text) = part.split_once('\n').unwrap_or((part, ""));
        let word = info.split_whitespace().next().unwrap_or_default();
        if number % 2 == 1 && word == language {
            found.push(format!("{text}\n"));
        }
    }
    found
}
