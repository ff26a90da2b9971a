//! Command entry.
fn main() {}
