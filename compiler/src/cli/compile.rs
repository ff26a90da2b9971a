//! `portcullis compile`

use super::args::{Compile, Unsupported};
use super::terminal::Terminal;
use super::{Failure, Status, count, read, refuse_blocked, scope_line};
use crate::compile::{self, Output};
use crate::diagnostic::{self, Counts, escape, human};
use crate::placement;
use crate::resolve::Resolved;
use codegen_ebpf::bundle::File;
use ir::cluster::Endpoint;
use ir::model::Model;
use std::io::Write;

pub(super) fn run(arguments: &Compile, terminal: &mut Terminal) -> Result<Status, Failure> {
    let common = &arguments.common;
    let understood = read(&common.paths, &common.run)?;
    if let Some(status) = refuse_blocked(&understood, &common.run, terminal)? {
        return Ok(status);
    }
    let mut notes = Vec::new();
    let placed;
    let model = if arguments.place {
        let options = placement::Options {
            replicas: arguments.replicas,
            ..placement::Options::default()
        };
        let result = placement::place(&understood.model, options).map_err(Failure::said)?;
        (placed, notes) = (result.model, result.notes);
        &placed
    } else {
        &understood.model
    };
    let narrowed;
    let model = if arguments.unsupported == Unsupported::Deny {
        narrowed = ir::enforceable::narrowed(model);
        &narrowed
    } else {
        model
    };
    if !common.run.quiet {
        for note in notes {
            writeln!(terminal.err, "note: {}", escape::message(&note))?;
        }
    }
    let mut obstacles = compile::obstacles(model);
    obstacles.extend(compile::unpatched(&understood.findings));
    diagnostic::sort(&mut obstacles);
    diagnostic::name_templates(&mut obstacles, &understood.input.templates);
    if !obstacles.is_empty() {
        let options = terminal.err_options();
        human::write(&mut terminal.err, &obstacles, &understood.input.sources, options)?;
        writeln!(
            terminal.err,
            "error: nothing was compiled ({})",
            human::summary(Counts::of(&obstacles))
        )?;
        return Ok(Status::Failed);
    }

    // A node's programs need the tables of its own pods only.
    let one_node = arguments.node.as_deref().filter(|_| !arguments.all_nodes);
    let resolved = Resolved::of_endpoints(model, |endpoint| {
        one_node.is_none() || endpoint.node.as_deref() == one_node
    });
    let listed = |endpoint: &Endpoint| match arguments.dump.as_deref() {
        None => false,
        Some("*") => true,
        Some(wanted) => endpoint.to_string() == wanted,
    };
    let bundle = |node: Option<&str>| -> Result<Output, Failure> {
        let wanted = |endpoint: &Endpoint| node.is_none() || endpoint.node.as_deref() == node;
        compile::compile(&resolved, &understood.input.sources, wanted, listed).map_err(Failure::said)
    };
    let mut outputs = Vec::new();
    if arguments.all_nodes {
        for node in nodes(model)? {
            let mut output = bundle(Some(&node))?;
            for file in &mut output.files {
                file.path = format!("{node}/{}", file.path);
            }
            outputs.push(output);
        }
    } else {
        if let Some(node) = arguments.node.as_deref() {
            known(model, node)?;
        }
        outputs.push(bundle(arguments.node.as_deref())?);
    }
    let pods: usize = outputs.iter().map(|output| output.pods).sum();
    if pods == 0 {
        return Err(Failure::Said("there is no pod to compile for".to_owned()));
    }
    if arguments.dump.is_some() {
        let listings: Vec<_> = outputs.iter().flat_map(|output| &output.listings).collect();
        if listings.is_empty() {
            return Err(Failure::Said(no_such_pod(model, arguments.dump.as_deref())));
        }
        for listing in listings {
            for line in listing.lines() {
                writeln!(terminal.out, "{}", escape::line(line))?;
            }
            writeln!(terminal.out)?;
        }
        terminal.out.flush()?;
    }
    let instructions: usize = outputs.iter().map(|output| output.instructions).sum();
    let files: Vec<File> = outputs.into_iter().flat_map(|output| output.files).collect();
    compile::write(&arguments.output, &files).map_err(Failure::said)?;
    if !common.run.quiet {
        let bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
        writeln!(
            terminal.err,
            "wrote {}: {}, {} programs, {instructions} instructions, {} KiB ({})",
            arguments.output.display(),
            count(pods, "pod"),
            pods * 2,
            bytes.div_ceil(1024),
            scope_line(&understood)
        )?;
    }
    Ok(Status::Fine)
}

/// Every node: those of the input, and those that pods name.
fn nodes(model: &Model) -> Result<Vec<String>, Failure> {
    let mut nodes: Vec<String> = model
        .cluster
        .nodes()
        .iter()
        .map(|node| node.name.clone())
        .chain(
            model
                .cluster
                .endpoints()
                .iter()
                .filter_map(|endpoint| endpoint.node.clone()),
        )
        .collect();
    nodes.sort();
    nodes.dedup();
    // A node's name becomes a directory: only what the API server takes for one.
    if let Some(odd) = nodes
        .iter()
        .find(|node| node.contains('/') || node.starts_with('.') || node.is_empty())
    {
        return Err(Failure::Said(format!("`{odd}` cannot be the name of a node")));
    }
    if nodes.is_empty() {
        return Err(Failure::Said(
            "there are no nodes in the input; without --all-nodes one bundle is written for all pods, with --place nodes are assumed".to_owned(),
        ));
    }
    Ok(nodes)
}

fn known(model: &Model, node: &str) -> Result<(), Failure> {
    let nodes = nodes(model)?;
    if nodes.iter().any(|known| known == node) {
        return Ok(());
    }
    Err(Failure::Said(format!(
        "there is no node `{node}`; there are {}",
        nodes.join(", ")
    )))
}

fn no_such_pod(model: &Model, wanted: Option<&str>) -> String {
    let pods: Vec<_> = model
        .cluster
        .endpoints()
        .iter()
        .filter(|endpoint| !endpoint.host_network)
        .map(ToString::to_string)
        .take(20)
        .collect();
    format!(
        "there is no pod `{}` to dump; there are {}",
        wanted.unwrap_or_default(),
        pods.join(", ")
    )
}
