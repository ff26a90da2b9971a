//! Gathers the pages that explain finding codes, so that `portcullis explain` carries them.
//!
//! A rule's page is the doc comment of its own file (`src/lints/**/pc*.rs`); a code that reading or lowering raises has
//! a file in `src/explain/pages`. Either way a page starts with `# PC201 named-port-many-numbers`. The result is a
//! slice of `(201, "# PC201 …")`, sorted by number.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    for directory in ["src/lints", "src/explain/pages"] {
        println!("cargo::rerun-if-changed={directory}");
        let from = files.len();
        collect(Path::new(directory), &mut files)?;
        files.get_mut(from..).unwrap_or_default().sort();
    }
    let mut pages: BTreeMap<u16, String> = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let text = match file.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => doc_comment(&text),
            Some("md") => text,
            _ => continue,
        };
        for page in split(&text) {
            let number = number(&page)
                .ok_or_else(|| format!("{}: a page starts with `# PC000 name`", file.display()))?;
            // A rule's own page comes first; a test says so where a code has two.
            pages.entry(number).or_insert(page);
        }
    }
    let mut source = String::from("&[\n");
    for (number, page) in pages {
        source.push_str(&format!("    ({number}, {page:?}),\n"));
    }
    source.push_str("]\n");
    let target = Path::new(&std::env::var("OUT_DIR")?).join("pages.rs");
    fs::write(target, source)?;
    Ok(())
}

/// Every file of a rule or a page below `directory`.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() {
            collect(&path, files)?;
        } else if name.starts_with("pc") {
            files.push(path);
        }
    }
    Ok(())
}

/// The `//!` lines at the head of a file.
fn doc_comment(source: &str) -> String {
    let lines: Vec<_> = source
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    lines.join("\n")
}

/// The pages of one text: each starts with a heading of the first level. A comment in an example is none.
fn split(text: &str) -> Vec<String> {
    let mut pages: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.starts_with("# PC") {
            pages.push(String::new());
        }
        if let Some(page) = pages.last_mut() {
            page.push_str(line);
            page.push('\n');
        }
    }
    pages
        .iter()
        .map(|page| format!("{}\n", page.trim_end()))
        .collect()
}

/// 201 for `# PC201 …`.
fn number(page: &str) -> Option<u16> {
    page.strip_prefix("# PC")?.split(' ').next()?.parse().ok()
}
