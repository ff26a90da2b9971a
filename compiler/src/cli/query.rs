//! `portcullis query`

use super::args::{Common, Format, Written};
use super::output::Answer;
use super::terminal::Terminal;
use super::{Failure, Status, read, refuse_blocked};
use crate::query::{self, human, json};
use clap::Args;

#[derive(Debug, Args)]
#[command(after_help = "\
FROM and TO are namespace/name of a workload or pod, an address (203.0.113.7, 2001:db8::7), or a pod that need not \
exist: namespace{app=web,tier=front}. TO may be a Service's port, svc:namespace/name:port: each backend is judged at \
the port it leads to.
PORT is a number or a name with a protocol (8080/TCP, 53/UDP, http), or an ICMP type (icmp/8, icmpv6/128).
Exit status: 0 allowed, 1 denied, 2 no answer.")]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,

    /// Who opens the flow
    #[arg(long, value_name = "FROM")]
    from: String,

    /// Who receives it
    #[arg(long, value_name = "TO")]
    to: String,

    /// Destination port; a Service brings its own
    #[arg(long, value_name = "PORT")]
    port: Option<String>,

    #[command(flatten)]
    written: Written<Format>,
}

pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal) -> Result<Status, Failure> {
    // What is asked is looked at first: a slip in it should not wait for the input.
    let question = query::Query {
        from: arguments.from.parse().map_err(Failure::said)?,
        to: arguments.to.parse().map_err(Failure::said)?,
        port: match &arguments.port {
            Some(port) => Some(port.parse().map_err(Failure::said)?),
            None => None,
        },
    };
    let common = &arguments.common;
    let understood = read(&common.paths, &common.run)?;
    if let Some(status) = refuse_blocked(&understood, &common.run, terminal)? {
        return Ok(status);
    }
    let services = query::Services::of(&understood.input);
    let reply = query::query(&understood.model, &services, &question).map_err(Failure::said)?;
    let mut answer = Answer::new(terminal, arguments.written.output.as_deref());
    match arguments.written.format {
        Format::Human => human::write(answer.out(), &reply, &understood.input.sources)?,
        Format::Json => json::write(answer.out(), &reply)?,
    }
    answer.finish()?;
    Ok(if reply.allowed() {
        Status::Fine
    } else {
        Status::Found
    })
}
