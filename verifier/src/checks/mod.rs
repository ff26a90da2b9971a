//! The checks, one file each; a file's first sentence is the property.

#[cfg(test)]
mod brute_force;
pub mod redundant_rule;
pub mod rule_never_matches;
mod slice;
