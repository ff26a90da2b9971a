//! Boundaries inside the crate that the compiler does not check.

#![expect(clippy::unwrap_used, reason = "integration tests; a panic is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_solver_is_named_in_one_folder() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![];
    sources(&src, &mut files);
    let (inside, outside): (Vec<_>, Vec<_>) = files
        .into_iter()
        .filter(|path| fs::read_to_string(path).unwrap().contains("z3::"))
        .partition(|path| path.starts_with(src.join("encode")));
    assert!(!inside.is_empty());
    assert_eq!(outside, Vec::<PathBuf>::new());
}
