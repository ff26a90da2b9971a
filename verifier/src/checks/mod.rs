//! The checks, one file each; a file's first sentence is the property.

pub mod allow_partly_cut;
#[cfg(test)]
mod brute_force;
pub mod default_deny_disagreement;
pub mod exception_reopened;
#[cfg(test)]
mod given_up;
pub mod half_open_path;
pub mod redundant_rule;
pub mod rule_never_matches;
