//! Programs for libFuzzer, one for each of `portcullis_compiler::fuzzing::TARGETS`. `./dev fuzz` builds and runs them.

pub use libfuzzer_sys;
use portcullis_compiler::fuzzing::{TARGETS, Target};

/// The target of this name.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn named(name: &str) -> Target {
    let found = TARGETS.into_iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("no target `{name}`"))
}

/// The program of one target.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        ::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ($crate::named($name).ask)(bytes));
    };
}
