//! The loader against the running kernel: each test in namespaces of its own.
#![cfg(test)]

mod command_line;
mod enforcement;
mod moves;
mod replacement;
mod shipped_example;
mod support;
