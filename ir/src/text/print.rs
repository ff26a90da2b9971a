//! From a model to its text form.

use std::fmt::Write;

use super::token::{quote_key, quote_port_name, quote_word, write_origin};
use super::{implied_applies, own_workload, unnamed_origin, usually_replicated};
use crate::cluster::{ContainerPort, ContainerRole, DEFAULT_CLUSTER_NAME, Endpoint, Node};
use crate::model::Model;
use crate::origin::Origin;
use crate::peer::{CidrScope, Peer, PeerMatch, Peers};
use crate::policy::{Directions, Policy, Rank, Rule, Subject, Tier};
use crate::port::{Port, PortMatch, Ports};
use crate::selector::{Attribute, Labels, NAMESPACE_NAME_LABEL, Operator, Requirement, Selector};

/// The text form of a model: the cluster's name, namespaces, nodes, endpoints and policies, each in the model's order.
#[must_use]
pub fn print(model: &Model) -> String {
    let mut lines = Vec::new();
    if model.cluster.name() != DEFAULT_CLUSTER_NAME {
        lines.push(format!("cluster {}", quote_word(model.cluster.name())));
    }
    for (name, labels) in model.cluster.namespaces() {
        let mut labels = labels.clone();
        labels.remove(NAMESPACE_NAME_LABEL);
        lines.push(format!("namespace {}{}", quote_word(name), print_labels(&labels)));
    }
    lines.extend(model.cluster.nodes().iter().map(print_node));
    lines.extend(model.cluster.endpoints().iter().map(print_endpoint));
    lines.extend(model.policies().iter().map(print_policy));
    lines.iter().fold(String::new(), |text, line| text + line + "\n")
}

fn print_labels(labels: &Labels) -> String {
    labels.iter().fold(String::new(), |text, (key, value)| {
        text + " " + &quote_key(key) + "=" + &quote_word(value)
    })
}

/// The origin of a statement, unless it is the one that goes without saying.
fn print_at(origin: &Origin, implied: &Origin) -> String {
    if origin == implied {
        String::new()
    } else {
        format!(" @ {}", write_origin(origin))
    }
}

/// The origin of an item of a statement, unless it is the statement's.
fn print_item_at(origin: &Origin, implied: &Origin) -> String {
    if origin == implied {
        String::new()
    } else {
        format!(" ({})", write_origin(origin))
    }
}

fn print_all<T: ToString>(word: &str, items: &[T]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    format!(" {word} {}", items.join(" "))
}

fn print_node(node: &Node) -> String {
    let mut line = format!("node {}", quote_word(&node.name));
    line += &print_all("at", &node.addresses);
    line += &print_all("slice", &node.pod_cidrs);
    if !node.labels.is_empty() {
        line += " labels";
        line += &print_labels(&node.labels);
    }
    line + &print_at(&node.origin, &unnamed_origin())
}

fn print_endpoint(endpoint: &Endpoint) -> String {
    let mut line = format!(
        "endpoint {}/{}",
        quote_word(&endpoint.namespace),
        quote_word(&endpoint.name)
    );
    let workload = &endpoint.workload;
    if *workload != own_workload(&endpoint.name) {
        line += &format!(
            " of {}/{}",
            quote_word(&workload.kind),
            quote_word(&workload.name)
        );
        if workload.replicated != usually_replicated(&workload.kind) {
            line += if workload.replicated {
                " replicated"
            } else {
                " single"
            };
        }
    }
    if !endpoint.labels.is_empty() {
        line += " labels";
        line += &print_labels(&endpoint.labels);
    }
    if endpoint.service_account != "default" {
        line += &format!(" account {}", quote_word(&endpoint.service_account));
    }
    if endpoint.host_network {
        line += " host-network";
    }
    line += &print_all("at", &endpoint.addresses);
    if let Some(node) = &endpoint.node {
        line += &format!(" on {}", quote_word(node));
    }
    if !endpoint.ports.is_empty() {
        let ports: Vec<_> = endpoint
            .ports
            .iter()
            .map(|port| print_container_port(port) + &print_item_at(&port.origin, &endpoint.origin))
            .collect();
        line += &format!(" ports {}", ports.join(", "));
    }
    line + &print_at(&endpoint.origin, &unnamed_origin())
}

fn print_container_port(port: &ContainerPort) -> String {
    let mut text = String::new();
    if let Some(name) = &port.name {
        text += &format!("{} ", quote_word(name));
    }
    text += &format!("{}/{}", port.number, port.protocol);
    if port.container != "main" {
        text += &format!(" in {}", quote_word(&port.container));
    }
    text += match port.role {
        ContainerRole::Main => "",
        ContainerRole::Sidecar => " sidecar",
        ContainerRole::Init => " init",
    };
    text
}

fn print_policy(policy: &Policy) -> String {
    let mut text = format!("policy {} ", policy.kind);
    if let Some(namespace) = &policy.namespace {
        text += &format!("{}/", quote_word(namespace));
    }
    let (what, selector) = match &policy.subject {
        Subject::Endpoints(selector) => ("pods", selector),
        Subject::Nodes(selector) => ("nodes", selector),
    };
    text += &format!(
        "{} on {what} {}",
        quote_word(&policy.name),
        print_selector(selector)
    );
    if policy.applies != implied_applies(policy.default_deny, &policy.rules) {
        text += &format!(" applies {}", print_directions(policy.applies));
    }
    if policy.default_deny != Directions::default() {
        text += &format!(" denies {}", print_directions(policy.default_deny));
    }
    text += &print_at(&policy.origin, &unnamed_origin());
    text += " {\n";
    for rule in &policy.rules {
        text += &format!(
            "  {}{}\n",
            print_rule(rule),
            print_at(&rule.origin, &policy.origin)
        );
    }
    text + "}"
}

fn print_directions(directions: Directions) -> &'static str {
    match (directions.ingress, directions.egress) {
        (true, true) => "both",
        (true, false) => "ingress",
        (false, true) => "egress",
        (false, false) => "nothing",
    }
}

fn print_rule(rule: &Rule) -> String {
    let mut text = format!("{} {}", rule.action, rule.direction);
    if rule.rank != Rank::NAMESPACED {
        let tier = match rule.rank.tier {
            Tier::Admin => "admin",
            Tier::Namespaced => "namespaced",
            Tier::Baseline => "baseline",
        };
        text += &format!(" {tier} {}.{}", rule.rank.priority, rule.rank.order);
    }
    if let Peers::OneOf(peers) = &rule.peers {
        let peers = peers
            .iter()
            .map(|peer| print_peer(peer) + &print_item_at(&peer.origin, &rule.origin));
        let side = match rule.direction {
            crate::policy::Direction::Ingress => "from",
            crate::policy::Direction::Egress => "to",
        };
        text += &format!(" {side} {}", join_or_nothing(peers));
    }
    if let Ports::OneOf(ports) = &rule.ports {
        let ports = ports
            .iter()
            .map(|port| print_port(port) + &print_item_at(&port.origin, &rule.origin));
        text += &format!(" ports {}", join_or_nothing(ports));
    }
    if !rule.beyond.is_empty() {
        let demands = rule
            .beyond
            .iter()
            .map(|demand| demand.kind.to_string() + &print_item_at(&demand.origin, &rule.origin));
        text += &format!(" beyond {}", join_or_nothing(demands));
    }
    text
}

fn join_or_nothing(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    if items.is_empty() {
        "nothing".to_owned()
    } else {
        items.join(", ")
    }
}

fn print_peer(peer: &Peer) -> String {
    match &peer.matches {
        PeerMatch::Endpoints(selector) => format!("pods {}", print_selector(selector)),
        PeerMatch::Nodes(selector) => format!("nodes {}", print_selector(selector)),
        PeerMatch::OtherNodes(selector) => format!("other-nodes {}", print_selector(selector)),
        PeerMatch::Cidr(block) => {
            let word = match block.scope {
                CidrScope::Everything => "cidr",
                CidrScope::OutsideCluster => "outside",
            };
            format!("{word} {}{}", block.cidr, print_all("except", &block.except))
        }
        PeerMatch::Entity(entity) => format!("entity {}", entity.name()),
        PeerMatch::Domain(pattern) => format!("domain {}", quote_word(&pattern.0)),
    }
}

fn print_port(port: &Port) -> String {
    match &port.matches {
        PortMatch::Numbers {
            protocol,
            first: 0,
            last: u16::MAX,
        } => format!("*/{protocol}"),
        PortMatch::Numbers {
            protocol,
            first,
            last,
        } if first == last => format!("{first}/{protocol}"),
        PortMatch::Numbers {
            protocol,
            first,
            last,
        } => format!("{first}-{last}/{protocol}"),
        PortMatch::Name { protocol, name } => format!("{}/{protocol}", quote_port_name(name)),
        PortMatch::Icmp {
            protocol,
            message_type,
        } => format!("{message_type}/{protocol}"),
    }
}

fn print_selector(selector: &Selector) -> String {
    let asked: Vec<_> = selector.requirements().iter().map(print_requirement).collect();
    format!("[{}]", asked.join(", "))
}

fn print_requirement(requirement: &Requirement) -> String {
    let attribute = match &requirement.attribute {
        // Bare, these three would be read as attributes of their own.
        Attribute::Label(key) if matches!(key.as_str(), "ns" | "account" | "cluster") => format!("\"{key}\""),
        Attribute::Label(key) => quote_key(key),
        Attribute::Namespace => "ns".to_owned(),
        Attribute::NamespaceLabel(key) => format!("ns:{}", quote_key(key)),
        Attribute::ServiceAccount => "account".to_owned(),
        Attribute::Cluster => "cluster".to_owned(),
    };
    let mut text = String::new();
    let _infallible = match &requirement.operator {
        Operator::Exists => write!(text, "{attribute}"),
        Operator::DoesNotExist => write!(text, "!{attribute}"),
        Operator::In(values) | Operator::NotIn(values) => {
            let within = matches!(requirement.operator, Operator::In(_));
            let values: Vec<_> = values.iter().map(|value| quote_word(value)).collect();
            match (values.as_slice(), within) {
                ([value], true) => write!(text, "{attribute}={value}"),
                ([value], false) => write!(text, "{attribute}!={value}"),
                (values, true) => write!(text, "{attribute} in ({})", values.join(", ")),
                (values, false) => write!(text, "{attribute} notin ({})", values.join(", ")),
            }
        }
    };
    text
}
