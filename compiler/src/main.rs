//! The `portcullis` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    portcullis_compiler::cli::run(std::env::args_os())
}
