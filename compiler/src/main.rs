//! The `portcullis` command.

use std::process::ExitCode;

/// A run makes millions of small pieces and gives most of them back at once, on several threads: the system's allocator
/// takes half as long again (`docs/performance.md`).
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    portcullis_compiler::cli::run(std::env::args_os())
}
