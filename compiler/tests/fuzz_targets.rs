//! The fuzzer's targets, with everything in `testdata/` and what chance makes of it: a short run of what `./dev fuzz`
//! does for as long as one likes.
#![expect(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use portcullis_compiler::fuzzing::seeds::{self, Seed};
use portcullis_compiler::fuzzing::{TARGETS, Target, splice};
use proptest::prelude::*;
use std::path::Path;
use std::sync::LazyLock;

static SEEDS: LazyLock<Vec<Seed>> = LazyLock::new(|| {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata");
    seeds::of(&testdata).unwrap()
});

fn target(name: &str) -> Target {
    TARGETS.into_iter().find(|target| target.name == name).unwrap()
}

#[test]
fn every_target_has_seeds_and_a_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/targets");
    for target in TARGETS {
        assert!(
            SEEDS.iter().any(|seed| seed.target == target.name),
            "{}",
            target.name
        );
        let program = folder.join(format!("{}.rs", target.name));
        assert!(program.is_file(), "{}", program.display());
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), TARGETS.len());
}

#[test]
fn every_seed_is_answered() {
    for seed in SEEDS.iter() {
        (target(seed.target).ask)(&seed.bytes);
    }
}

/// Edits: where (as a fraction), how many bytes to cut, what to put there, from which seed's own bytes.
type Edit = (f64, usize, Vec<u8>);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let noise = prop::collection::vec(any::<u8>(), 0..4);
    prop::collection::vec((0.0..1.0_f64, 0..8_usize, noise), 0..5)
}

fn edited(seed: &Seed, edits: Vec<Edit>) -> Vec<u8> {
    let mut bytes = seed.bytes.clone();
    for (place, cut, noise) in edits {
        splice(&mut bytes, place, cut, noise);
    }
    bytes
}

proptest! {
    #![proptest_config(ir::testing::cases(200))]

    #[test]
    fn edited_seeds_are_answered(seed in prop::sample::select(&SEEDS[..]), edits in edits()) {
        (target(seed.target).ask)(&edited(&seed, edits));
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        for target in TARGETS {
            (target.ask)(&bytes);
        }
    }
}
