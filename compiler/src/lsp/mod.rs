//! `portcullis lsp`: findings while manifests are written, and answers about what stands under the cursor.
//!
//! Three threads. One reads what the client says; one (`analysis`) reads, lowers and checks; `server` listens to both,
//! never computes anything that takes long, and so never lets typing wait. A change starts an analysis a moment later;
//! one that is overtaken stops between its steps. Questions that need an analysis of the newest text wait for it.
//!
//! The workspace is everything that `check` would read below its root (`workspace`); texts of open documents take the
//! place of what is on the disk (`documents`). A file that cannot be read as written would leave no answer about
//! anything (that is what `check` says of it): here it counts as it was when it last could be read, and is left out where
//! it never could.
//!
//! Invariants:
//! - no message ends the server but `exit` and the end of input;
//! - positions on the wire count UTF-16 units (`position`); everywhere else they are those of [`crate::source`];
//! - what is published about a document was found in the version that the client sent last.

mod actions;
mod analysis;
mod cursor;
mod diagnostics;
mod documents;
mod framing;
mod handshake;
mod hover;
mod memory;
mod navigate;
mod position;
mod replies;
mod selected;
mod server;
mod uri;
mod worker;
mod workspace;

pub use server::serve;
