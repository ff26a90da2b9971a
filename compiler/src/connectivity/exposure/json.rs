//! Exposure as JSON: the member `exposure` of a report of connections.

use super::{Entry, Exposure, Opening, Unknown};
use crate::connectivity::PortSet;
use crate::connectivity::json::{WirePeer, WirePorts, wire_peer, wire_ports};
use ir::selector::{Attribute, Operator};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct WireExposure<'a> {
    workload: WirePeer<'a>,
    direction: String,
    peers: Vec<WireEntry<'a>>,
}

#[derive(Serialize)]
struct WireEntry<'a> {
    #[serde(flatten)]
    peer: WireExposed<'a>,
    ports: Vec<WirePorts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    named_ports: Vec<WireNamed<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    except: Vec<WireEntry<'a>>,
    /// Whether a pod of the input is one of them; said of pods that are let through.
    #[serde(skip_serializing_if = "Option::is_none")]
    exists: Option<bool>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum WireExposed<'a> {
    Pods {
        pods: String,
        selector: Vec<WireRequirement<'a>>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        at: Vec<WireBlock>,
    },
    Outside {
        cidrs: Vec<String>,
    },
}

#[derive(Serialize)]
struct WireRequirement<'a> {
    attribute: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    operator: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<&'a str>,
}

#[derive(Serialize)]
struct WireBlock {
    cidr: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    except: Vec<String>,
}

#[derive(Serialize)]
struct WireNamed<'a> {
    protocol: String,
    name: &'a str,
    /// Other names that the same port has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<&'a str>,
    /// The numbers that count, where not all do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    among: Vec<WirePorts>,
}

/// Exposure as it is written.
pub(crate) fn wire(exposures: &[Exposure]) -> Vec<WireExposure<'_>> {
    exposures
        .iter()
        .map(|exposure| {
            let outside = exposure.outside.iter().map(|(blocks, ports)| WireEntry {
                peer: WireExposed::Outside {
                    cidrs: blocks.iter().map(ToString::to_string).collect(),
                },
                ports: wire_ports(ports),
                named_ports: Vec::new(),
                except: Vec::new(),
                exists: None,
            });
            WireExposure {
                workload: wire_peer(&exposure.workload),
                direction: exposure.direction.to_string(),
                peers: outside.chain(exposure.pods.iter().map(entry)).collect(),
            }
        })
        .collect()
}

fn entry(entry: &Entry) -> WireEntry<'_> {
    WireEntry {
        except: entry
            .except
            .iter()
            .map(|(who, opening)| pods(who, opening))
            .collect(),
        exists: Some(entry.exists),
        ..pods(&entry.who, &entry.opening)
    }
}

fn pods<'a>(who: &'a Unknown, opening: &'a Opening) -> WireEntry<'a> {
    let selector = who.selector.requirements().iter().map(|asked| {
        let (attribute, key) = match &asked.attribute {
            Attribute::Label(key) => ("label", Some(key.as_str())),
            Attribute::Namespace => ("namespace", None),
            Attribute::NamespaceLabel(key) => ("namespace-label", Some(key.as_str())),
            Attribute::ServiceAccount => ("service-account", None),
            Attribute::Cluster => ("cluster", None),
        };
        let (operator, values) = match &asked.operator {
            Operator::In(values) => ("In", Some(values)),
            Operator::NotIn(values) => ("NotIn", Some(values)),
            Operator::Exists => ("Exists", None),
            Operator::DoesNotExist => ("DoesNotExist", None),
        };
        WireRequirement {
            attribute,
            key,
            operator,
            values: values.into_iter().flatten().map(String::as_str).collect(),
        }
    });
    let blocks = who.blocks.iter().map(|block| WireBlock {
        cidr: block.cidr.to_string(),
        except: block.except.iter().map(ToString::to_string).collect(),
    });
    let names = opening.names.iter().map(|(named, among)| {
        let mut names = named.names.iter().map(String::as_str);
        WireNamed {
            protocol: named.protocol.to_string(),
            name: names.next().unwrap_or_default(),
            also: names.collect(),
            among: if *among == PortSet::range(named.protocol, 1, u16::MAX) {
                Vec::new()
            } else {
                wire_ports(among)
            },
        }
    });
    WireEntry {
        peer: WireExposed::Pods {
            pods: who.to_string(),
            selector: selector.collect(),
            at: blocks.collect(),
        },
        ports: wire_ports(&opening.numbers),
        named_ports: names.collect(),
        except: Vec::new(),
        exists: None,
    }
}
