//! The `portcullis` command as people and scripts meet it: exit statuses, what goes where, transcripts over the examples,
//! the published schemas, and that nothing is half written.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failed call is a failed test"
)]

mod cache;
mod check;
mod compile;
mod editor;
mod every_code;
mod fix;
mod flows;
mod formats;
mod guides;
mod impact;
mod lsp;
mod neovim;
mod ports;
mod program;
mod prove;
mod published;
mod report;
mod streams;
mod triage;
mod vscode;
mod watch;
