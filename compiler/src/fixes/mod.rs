//! Fixes, from what a rule proposes to text that is mended.
//!
//! [`settle`] holds every proposed [`Fix`](crate::diagnostic::Fix) against the text, and drops what does not fit it or would
//! make a mistake of another kind. [`apply`] edits one text. [`mend`] applies what is wanted until nothing more can be.
//!
//! Invariants:
//! - every byte that no edit covers stays as it is;
//! - no fix edits text that an alias repeats elsewhere;
//! - a fix is applied whole or not at all, and no two that touch each other in one round;
//! - nothing is written here: texts in, texts out.

mod apply;
mod mend;
mod settle;

pub use apply::{Selection, apply, select};
pub use mend::{Applied, Mended, mend};
pub(crate) use settle::narrow;
pub use settle::settle;
