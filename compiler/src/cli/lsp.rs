//! `portcullis lsp`

use super::{Failure, Status};
use crate::limits::Limits;
use crate::lsp;
use clap::Args;
use std::io::{self, BufReader};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Speak over standard input and output, which is the only way there is: editors say it
    #[arg(long, hide = true)]
    stdio: bool,

    /// How much input is read before it is refused, as for check
    #[arg(long, value_name = "NAME=N,…")]
    limits: Option<Limits>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let limits = arguments.limits.clone().unwrap_or_default();
    let input = BufReader::new(io::stdin());
    // `exit` without `shutdown` is a failure by the protocol.
    if lsp::serve(input, io::stdout(), limits)? {
        Ok(Status::Fine)
    } else {
        Ok(Status::Found)
    }
}
