//! `portcullis-node`: network policy on this node's kernel.

fn main() -> std::process::ExitCode {
    runtime_loader::cli::run()
}
