//! Policies as manifests. Written by hand rather than by a serializer of ours, so that a mistake in our types cannot be in
//! both.

use super::policy::{CidrRule, Entry, Operator, Peers, Policy, Port, PortsOrIcmp, Selector, Service};

pub(crate) fn documents(policies: &[Policy]) -> String {
    let together =
        policies.chunk_by(|one, next| one.in_specs && next.in_specs && one.namespace == next.namespace);
    let documents = together
        .enumerate()
        .map(|(number, policies)| document(number, policies));
    documents.collect::<Vec<_>>().join("---\n")
}

/// One policy as `spec`, or some as `specs`.
fn document(number: usize, policies: &[Policy]) -> String {
    let first = &policies[0];
    let (kind, namespace) = match first.namespace {
        Some(namespace) => ("CiliumNetworkPolicy", format!(", namespace: {namespace}")),
        None => ("CiliumClusterwideNetworkPolicy", String::new()),
    };
    let head =
        format!("apiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{name: policy-{number}{namespace}}}\n");
    if !first.in_specs {
        return format!(
            "{head}spec:\n  {}",
            spec(first).replace('\n', "\n  ").trim_end_matches(' ')
        );
    }
    let entries = policies.iter().map(|policy| {
        let lines = spec(policy).replace('\n', "\n  ");
        format!("- {}", lines.trim_end_matches(' '))
    });
    format!("{head}specs:\n{}", entries.collect::<String>())
}

fn spec(policy: &Policy) -> String {
    let mut text = format!("endpointSelector: {}\n", selector(&policy.subject));
    for (name, from, section) in [
        ("ingress", true, &policy.ingress),
        ("ingressDeny", true, &policy.ingress_deny),
        ("egress", false, &policy.egress),
        ("egressDeny", false, &policy.egress_deny),
    ] {
        if let Some(entries) = section {
            text.push_str(&format!("{name}: {}\n", list(entries, |one| entry(from, one))));
        }
    }
    let sides = [
        ("ingress", policy.default_deny_ingress),
        ("egress", policy.default_deny_egress),
    ];
    let said: Vec<_> = sides
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}: {}", value?)))
        .collect();
    if !said.is_empty() {
        text.push_str(&format!("enableDefaultDeny: {{{}}}\n", said.join(", ")));
    }
    text
}

fn list<T>(of: &[T], write: impl Fn(&T) -> String) -> String {
    format!("[{}]", of.iter().map(write).collect::<Vec<_>>().join(", "))
}

fn quoted(text: &&str) -> String {
    format!("\"{text}\"")
}

fn entry(from: bool, entry: &Entry) -> String {
    let side = if from { "from" } else { "to" };
    let mut fields = Vec::new();
    if let Some(peers) = &entry.peers {
        fields.push(match peers {
            Peers::Endpoints(selectors) => format!("{side}Endpoints: {}", list(selectors, selector)),
            Peers::Nodes(selectors) => format!("{side}Nodes: {}", list(selectors, selector)),
            Peers::Cidr(blocks) => format!("{side}CIDR: {}", list(blocks, quoted)),
            Peers::CidrSet(rules) => format!("{side}CIDRSet: {}", list(rules, cidr_rule)),
            Peers::Entities(names) => format!("{side}Entities: {}", list(names, quoted)),
            Peers::Services(services) => format!("toServices: {}", list(services, service)),
            Peers::Fqdns(names) => format!(
                "toFQDNs: {}",
                list(names, |name| {
                    let key = if name.contains('*') {
                        "matchPattern"
                    } else {
                        "matchName"
                    };
                    format!("{{{key}: \"{name}\"}}")
                })
            ),
        });
    }
    match &entry.ports {
        PortsOrIcmp::Nothing => {}
        PortsOrIcmp::Ports(rules) => fields.push(format!(
            "toPorts: {}",
            list(rules, |rule| match rule {
                None => "{}".to_owned(),
                Some(ports) => format!("{{ports: {}}}", list(ports, port)),
            })
        )),
        PortsOrIcmp::Icmp(messages) => fields.push(format!(
            "icmps: [{{fields: {}}}]",
            list(messages, |(family, number)| {
                let family = family.map_or_else(String::new, |family| format!("family: {family}, "));
                format!("{{{family}type: {number}}}")
            })
        )),
    }
    format!("{{{}}}", fields.join(", "))
}

fn port(port: &Port) -> String {
    let end = port
        .end
        .map_or_else(String::new, |end| format!(", endPort: {end}"));
    let protocol = port
        .protocol
        .map_or_else(String::new, |protocol| format!(", protocol: {protocol}"));
    format!("{{port: \"{}\"{end}{protocol}}}", port.port)
}

fn cidr_rule(rule: &CidrRule) -> String {
    match rule {
        CidrRule::Block(block, except) => format!("{{cidr: \"{block}\"{}}}", holes(except)),
        CidrRule::Group(name, except) => format!("{{cidrGroupRef: {name}{}}}", holes(except)),
        CidrRule::Groups(labels, except) => {
            format!("{{cidrGroupSelector: {}{}}}", selector(labels), holes(except))
        }
    }
}

fn holes(except: &[&str]) -> String {
    if except.is_empty() {
        return String::new();
    }
    format!(", except: {}", list(except, quoted))
}

fn service(service: &Service) -> String {
    let within = |namespace: &Option<&str>| match namespace {
        Some(namespace) => format!(", namespace: {namespace}"),
        None => String::new(),
    };
    match service {
        Service::Named(name, namespace) => {
            format!("{{k8sService: {{serviceName: {name}{}}}}}", within(namespace))
        }
        Service::Labelled(labels, namespace) => {
            format!(
                "{{k8sServiceSelector: {{selector: {}{}}}}}",
                selector(labels),
                within(namespace)
            )
        }
    }
}

fn selector(selector: &Selector) -> String {
    let mut fields = Vec::new();
    if !selector.labels.is_empty() {
        let labels: Vec<_> = selector
            .labels
            .iter()
            .map(|(key, value)| format!("\"{key}\": \"{value}\""))
            .collect();
        fields.push(format!("matchLabels: {{{}}}", labels.join(", ")));
    }
    if !selector.expressions.is_empty() {
        let expressions = list(&selector.expressions, |(key, operator)| {
            let (word, values) = match operator {
                Operator::In(values) => ("In", Some(values)),
                Operator::NotIn(values) => ("NotIn", Some(values)),
                Operator::Exists => ("Exists", None),
                Operator::DoesNotExist => ("DoesNotExist", None),
            };
            let values = values.map_or_else(String::new, |values| {
                format!(", values: {}", list(values, quoted))
            });
            format!("{{key: \"{key}\", operator: {word}{values}}}")
        });
        fields.push(format!("matchExpressions: {expressions}"));
    }
    format!("{{{}}}", fields.join(", "))
}
