//! From the text form to a model.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use nom::Parser;
use nom::branch::alt;
use nom::combinator::{opt, value};
use nom::multi::many1;
use nom::sequence::{pair, separated_pair, terminated};

use super::token::{
    Mismatch, Parsed, address, behind, cidr, end, expect, gap, key, keyword, led, list, number, origin, sign,
    whole, word, wrong,
};
use super::{ParseError, own_workload, unnamed_origin, usually_replicated};
use crate::cluster::{Cluster, ContainerPort, ContainerRole, Endpoint, Node, Workload};
use crate::model::Model;
use crate::origin::Origin;
use crate::policy::Policy;
use crate::port::Protocol;
use crate::selector::Labels;

mod policy;

/// Reads a model from its text form.
///
/// # Errors
/// [`ParseError`] says where the text stops being a model and what was expected there. Besides syntax, a namespace,
/// a label or a clause given twice is an error, and so is an address block with host bits in a rule.
pub fn parse(text: &str) -> Result<Model, ParseError> {
    whole(text, model)
}

#[derive(Clone)]
enum Statement {
    Cluster(String),
    Namespace(String, Labels),
    Node(Node),
    Endpoint(Endpoint),
    Policy(Policy),
}

fn model(text: &str) -> Parsed<'_, Model> {
    let (mut name, mut namespaces) = (None, BTreeMap::new());
    let (mut nodes, mut endpoints, mut policies) = (Vec::new(), Vec::new(), Vec::new());
    let (mut rest, ()) = gap(text)?;
    while !rest.is_empty() {
        let (after, statement) = alt((cluster, namespace, node, endpoint, policy::policy)).parse(rest)?;
        match statement {
            Statement::Cluster(own) => once(&mut name, own, "the cluster", rest)?,
            Statement::Namespace(name, labels) => {
                if namespaces.contains_key(&name) {
                    return wrong(rest, format!("namespace `{name}` is described twice"));
                }
                namespaces.insert(name, labels);
            }
            Statement::Node(node) => nodes.push(node),
            Statement::Endpoint(endpoint) => endpoints.push(endpoint),
            Statement::Policy(policy) => policies.push(policy),
        }
        rest = gap(after)?.0;
    }
    let mut cluster = Cluster::new(namespaces, endpoints, nodes);
    if let Some(name) = name {
        cluster = cluster.named(&name);
    }
    Ok((rest, Model::new(cluster, policies)))
}

/// A clause written once at most: takes `new`, or fails at `text`.
fn once<'a, T>(
    slot: &mut Option<T>,
    new: T,
    what: &str,
    text: &'a str,
) -> Result<(), nom::Err<Mismatch<'a>>> {
    if slot.is_some() {
        return wrong(text, format!("{what} is given twice")).map(|_: (&str, ())| ());
    }
    *slot = Some(new);
    Ok(())
}

fn labels(text: &str) -> Parsed<'_, Labels> {
    let mut labels = Labels::new();
    let mut rest = text;
    while let (after_key, Some((name, ()))) = opt(pair(key, sign("="))).parse(rest)? {
        let (after, label) = word("a label's value").parse(after_key)?;
        if labels.insert(name.0.clone(), label).is_some() {
            return wrong(rest, format!("label `{}` is given twice", name.0));
        }
        rest = after;
    }
    Ok((rest, labels))
}

fn at(text: &str) -> Parsed<'_, Origin> {
    behind("@", origin).parse(text)
}

/// The origin of one item of a statement.
fn item_at(text: &str) -> Parsed<'_, Option<Origin>> {
    opt(behind("(", terminated(origin, sign(")")))).parse(text)
}

fn cluster(text: &str) -> Parsed<'_, Statement> {
    led("cluster", word("a cluster's name"))
        .map(Statement::Cluster)
        .parse(text)
}

fn namespace(text: &str) -> Parsed<'_, Statement> {
    let (rest, name) = led("namespace", word("a namespace's name")).parse(text)?;
    let (rest, labels) = labels(rest)?;
    let another_label = value((), pair(key, sign("=")));
    let (rest, ()) = alt((end, another_label)).parse(rest)?;
    Ok((rest, Statement::Namespace(name, labels)))
}

fn node(text: &str) -> Parsed<'_, Statement> {
    #[derive(Clone)]
    enum Clause {
        At(Vec<IpAddr>),
        Slice(Vec<IpNet>),
        Labels(Labels),
        End(Option<Origin>),
    }
    let (mut rest, name) = led("node", word("a node's name")).parse(text)?;
    let (mut addresses, mut slices, mut own_labels) = (None, None, None);
    let origin = loop {
        let (after, clause) = alt((
            led("at", many1(address)).map(Clause::At),
            led("slice", many1(cidr)).map(Clause::Slice),
            led("labels", labels).map(Clause::Labels),
            terminated(opt(at), end).map(Clause::End),
        ))
        .parse(rest)?;
        match clause {
            Clause::At(new) => once(&mut addresses, new, "`at`", rest)?,
            Clause::Slice(new) => once(&mut slices, new, "`slice`", rest)?,
            Clause::Labels(new) => once(&mut own_labels, new, "`labels`", rest)?,
            Clause::End(origin) => {
                rest = after;
                break origin;
            }
        }
        rest = after;
    };
    let node = Node {
        name,
        labels: own_labels.unwrap_or_default(),
        addresses: addresses.unwrap_or_default(),
        pod_cidrs: slices.unwrap_or_default(),
        origin: origin.unwrap_or_else(unnamed_origin),
    };
    Ok((rest, Statement::Node(node)))
}

fn endpoint(text: &str) -> Parsed<'_, Statement> {
    #[derive(Clone)]
    enum Clause {
        Of(Workload),
        Labels(Labels),
        Account(String),
        HostNetwork,
        At(Vec<IpAddr>),
        On(String),
        Ports(Vec<(ContainerPort, bool)>),
        End(Option<Origin>),
    }
    let (mut rest, (namespace, name)) = led(
        "endpoint",
        separated_pair(word("a namespace's name"), sign("/"), word("an endpoint's name")),
    )
    .parse(text)?;
    let (mut of, mut own_labels, mut account, mut host_network) = (None, None, None, None);
    let (mut addresses, mut node, mut ports) = (None, None, None);
    let origin = loop {
        let (after, clause) = alt((
            led("of", workload).map(Clause::Of),
            led("labels", labels).map(Clause::Labels),
            led("account", word("a service account's name")).map(Clause::Account),
            keyword("host-network").map(|()| Clause::HostNetwork),
            led("at", many1(address)).map(Clause::At),
            led("on", word("a node's name")).map(Clause::On),
            led("ports", list(container_port)).map(Clause::Ports),
            terminated(opt(at), end).map(Clause::End),
        ))
        .parse(rest)?;
        match clause {
            Clause::Of(new) => once(&mut of, new, "`of`", rest)?,
            Clause::Labels(new) => once(&mut own_labels, new, "`labels`", rest)?,
            Clause::Account(new) => once(&mut account, new, "`account`", rest)?,
            Clause::HostNetwork => once(&mut host_network, (), "`host-network`", rest)?,
            Clause::At(new) => once(&mut addresses, new, "`at`", rest)?,
            Clause::On(new) => once(&mut node, new, "`on`", rest)?,
            Clause::Ports(new) => once(&mut ports, new, "`ports`", rest)?,
            Clause::End(origin) => {
                rest = after;
                break origin.unwrap_or_else(unnamed_origin);
            }
        }
        rest = after;
    };
    let ports = ports.unwrap_or_default().into_iter();
    let endpoint = Endpoint {
        workload: of.unwrap_or_else(|| own_workload(&name)),
        namespace,
        name,
        labels: own_labels.unwrap_or_default(),
        service_account: account.unwrap_or_else(|| "default".to_owned()),
        addresses: addresses.unwrap_or_default(),
        node,
        host_network: host_network.is_some(),
        ports: ports
            .map(|(port, has_origin)| ContainerPort {
                origin: if has_origin { port.origin } else { origin.clone() },
                ..port
            })
            .collect(),
        origin,
    };
    Ok((rest, Statement::Endpoint(endpoint)))
}

fn workload(text: &str) -> Parsed<'_, Workload> {
    let (rest, (kind, name)) =
        separated_pair(word("a workload's kind"), sign("/"), word("a workload's name")).parse(text)?;
    let (rest, replicated) = opt(alt((
        value(true, keyword("replicated")),
        value(false, keyword("single")),
    )))
    .parse(rest)?;
    let workload = Workload {
        replicated: replicated.unwrap_or_else(|| usually_replicated(&kind)),
        kind,
        name,
    };
    Ok((rest, workload))
}

/// `ALL`, each by the name it prints as.
fn named<'a, T: Copy>(
    what: &'static str,
    all: &'static [T],
    name: impl Fn(T) -> String,
) -> impl Parser<&'a str, Output = T, Error = Mismatch<'a>> {
    let names: Vec<_> = all.iter().map(|one| format!("`{}`", name(*one))).collect();
    let expected = format!("{what} ({})", names.join(", "));
    move |text: &'a str| {
        let (rest, found) = word(&expected).parse(text)?;
        match all.iter().find(|one| name(**one) == found) {
            Some(one) => Ok((rest, *one)),
            None => expect(&expected, nom::combinator::fail()).parse(text),
        }
    }
}

pub(super) fn protocol<'a>() -> impl Parser<&'a str, Output = Protocol, Error = Mismatch<'a>> {
    named("a protocol", &Protocol::ALL, |one| one.to_string())
}

/// The container port, and whether it says its origin.
fn container_port(text: &str) -> Parsed<'_, (ContainerPort, bool)> {
    let number = || number::<u16>("a port's number");
    let (rest, (name, (number, protocol))) = alt((
        separated_pair(number(), sign("/"), protocol()).map(|numbered| (None, numbered)),
        pair(
            word("a port's name").map(Some),
            separated_pair(number(), sign("/"), protocol()),
        ),
    ))
    .parse(text)?;
    let (rest, container) = opt(led("in", word("a container's name"))).parse(rest)?;
    let (rest, role) = opt(alt((
        value(ContainerRole::Sidecar, keyword("sidecar")),
        value(ContainerRole::Init, keyword("init")),
    )))
    .parse(rest)?;
    let (rest, origin) = item_at(rest)?;
    let has_origin = origin.is_some();
    let port = ContainerPort {
        container: container.unwrap_or_else(|| "main".to_owned()),
        role: role.unwrap_or(ContainerRole::Main),
        name,
        number,
        protocol,
        origin: origin.unwrap_or_else(unnamed_origin),
    };
    Ok((rest, (port, has_origin)))
}
