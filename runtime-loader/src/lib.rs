//! The only room that touches the kernel: programs, pins, namespaces, addresses, routes, the lab.
//!
//! Input: objects and bundles as `codegen_ebpf` writes them, and the node they belong to. Output: a node that
//! enforces them, and what it says of itself.
//!
//! A program's way: [`bundle`] (a directory) → [`object`] (what the file says) → [`load`] (what the kernel's verifier says) → [`pins`] (what
//! outlives the process) → [`attach`] (a device's hook) → [`enforce`] (one endpoint and direction) → [`change`]
//! (all of them, or none) → [`node`] (what is in force). [`test_run`] sends a packet through a program without a device.
//! [`counters`], [`events`] and [`conntrack`] say what programs did.
//!
//! Invariants:
//! - a packet is judged by the old program or by the new one: a program is replaced in one step of the kernel's;
//! - every new program of a change is verified before the first is swapped in; a change that fails is taken back;
//! - a process killed at any point leaves the old or the new program in force, and the next one goes on from there;
//! - what others have on the same hooks, devices and directories stays as it is;
//! - `unsafe` and raw system calls live in the one private module `sys`; printing and exiting in `cli` and `main`.
//!
//! Deliberately absent: the meaning of policies and programs. Nothing here reads a packet or a rule.

mod sys;

pub mod device;
pub mod netlink;
pub mod netns;
pub mod sysctl;

pub mod bundle;
pub mod object;

pub mod load;

pub mod pins;

pub mod attach;

pub mod enforce;

pub mod change;

pub mod node;

pub mod test_run;

pub mod conntrack;
pub mod counters;
pub mod events;

pub mod ipam;
pub mod routes;

pub mod lab;

pub mod cli;
