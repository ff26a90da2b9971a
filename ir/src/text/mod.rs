//! The IR's own text form: printed for people who debug, parsed so that every later pass can be tested with input
//! written by hand.
//!
//! [`print()`] and [`parse()`] are inverse: a printed model parses to an equal model, origins included. One statement
//! is one line; a line may go on after `,`, `[` or `(`. `#` at the start of a line or after a space begins a
//! comment.
//!
//! ```text
//! namespace shop team=blue
//! node node-a at 192.168.77.1 slice 10.244.1.0/24
//! endpoint shop/web-0 of Deployment/web labels app=web at 10.244.1.5 on node-a ports http 8080/TCP, 9090/TCP
//! policy NetworkPolicy shop/api on pods [ns=shop, app=api] denies ingress @ shop.yaml:9:1 {
//!   allow ingress from pods [ns=shop, app in (web, cart)] ports http/TCP, 9000-9010/UDP @ shop.yaml:12:5
//! }
//! ```
//!
//! # Grammar
//!
//! ```text
//! model     = { [ cluster | namespace | node | endpoint | policy ] newline }
//!
//! cluster   = "cluster" word
//! namespace = "namespace" word labels
//! node      = "node" word { "at" {address} | "slice" {cidr} | "labels" labels } [ at ]
//! endpoint  = "endpoint" word "/" word
//!             { "of" word "/" word [ "replicated" | "single" ] | "labels" labels | "account" word
//!             | "host-network" | "at" {address} | "on" word | "ports" container-port { "," container-port } } [ at ]
//! container-port = [ word ] number "/" protocol [ "in" word ] [ "sidecar" | "init" ] [ "(" origin ")" ]
//! labels    = { key "=" word }
//!
//! policy    = "policy" kind [ word "/" ] word "on" ( "pods" | "nodes" ) selector
//!             { "applies" directions | "denies" directions } [ at ] "{" newline { [ rule ] newline } "}"
//! directions = "ingress" | "egress" | "both" | "nothing"
//! rule      = ( "allow" | "deny" | "pass" ) ( "ingress" | "egress" )
//!             [ ( "admin" | "namespaced" | "baseline" ) priority "." order ]
//!             [ ( "from" | "to" ) ( "nothing" | peer { "," peer } ) ]
//!             [ "ports" ( "nothing" | port { "," port } ) ] [ "beyond" demand { "," demand } ] [ at ]
//! demand    = ( "layer7" | "dns" | "authentication" | "tls" | "listener" | "cloud-groups" ) [ "(" origin ")" ]
//! peer      = ( "pods" selector | ( "nodes" | "other-nodes" ) selector | ( "cidr" | "outside" ) cidr [ "except" {cidr} ]
//!             | "entity" entity | "domain" word ) [ "(" origin ")" ]
//! port      = ( "*" | number [ "-" number ] | name ) "/" ( "TCP" | "UDP" | "SCTP" | "ANY" ) [ "(" origin ")" ]
//!           | type "/" ( "ICMP" | "ICMPv6" ) [ "(" origin ")" ]
//!
//! selector  = "[" [ asked { "," asked } ] "]"
//! asked     = attribute [ "=" word | "!=" word | ( "in" | "notin" ) "(" [ word { "," word } ] ")" ] | "!" attribute
//! attribute = key | "ns" | "ns:" key | "account" | "cluster"
//! at        = "@" origin
//! origin    = file [ "#" document ] ":" line ":" column [ "-" [ end-line ":" ] end-column ] [ path ]
//! ```
//!
//! A `word` is letters, digits, `_`, `.` and `-`, not starting with `.` or `-`; a `key` may also hold `/`. Anything
//! else is written in double quotes with the escapes `\"`, `\\`, `\n`, `\r`, `\t` and `\u{…}`. A quoted selector key
//! is always a label's. Port names start with a letter, or are quoted.
//!
//! # What may be left out
//!
//! - `cluster default`.
//! - An origin: a statement's is then [`Origin::synthetic`] of [`UNNAMED`], a rule's is its policy's, a peer's,
//!   a port's and a demand's its rule's, a container port's its endpoint's.
//! - `of`: the endpoint is a Pod of its own. `replicated` or `single`: a Pod is single, anything else replicated.
//! - `account default`, `in main`.
//! - `applies`: the directions in `denies` and those of the rules. `denies`: none.
//! - `namespaced 0.0`. The peers: everybody. The ports: every protocol and port.
//! - A namespace that an endpoint mentions; the label `kubernetes.io/metadata.name` of every namespace.
//!
//! `cidr` speaks of every address, `outside` only of those outside the cluster ([`crate::peer::CidrScope`]).

use thiserror::Error;

use crate::cluster::Workload;
use crate::origin::Origin;
use crate::policy::{Directions, Rule};

mod flow;
pub mod mismatch;
mod parse;
mod print;
#[cfg(test)]
mod tests;
mod token;

pub use flow::parse_flow;
pub use parse::parse;
pub use print::print;

/// The file name in the origin of a statement that says none.
pub const UNNAMED: &str = "<text>";

/// Where, and why, a text is not a model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{line}:{column}: {problem}")]
pub struct ParseError {
    /// Line of the first character that does not fit, from 1.
    pub line: usize,
    /// Its column, from 1, in characters.
    pub column: usize,
    /// What was expected there and what was found, or what is wrong with it.
    pub problem: String,
}

fn unnamed_origin() -> Origin {
    Origin::synthetic(UNNAMED)
}

fn own_workload(name: &str) -> Workload {
    Workload {
        kind: "Pod".to_owned(),
        name: name.to_owned(),
        replicated: false,
    }
}

fn usually_replicated(kind: &str) -> bool {
    kind != "Pod"
}

/// What `applies` is where it is not written.
fn implied_applies(denies: Directions, rules: &[Rule]) -> Directions {
    rules.iter().fold(denies, |mut applies, rule| {
        match rule.direction {
            crate::policy::Direction::Ingress => applies.ingress = true,
            crate::policy::Direction::Egress => applies.egress = true,
        }
        applies
    })
}
