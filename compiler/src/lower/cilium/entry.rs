//! One entry of a section: allow and deny, ingress and egress, in one shape.

use super::super::site::Site;
use super::{Scope, demand, icmp, opposite, peer, port, remark, verb};
use crate::cilium::{
    Authentication, CidrRule, EgressRule, Fqdn, Group, IcmpRule, IngressRule, PortRule, Rule as Spec, Service,
};
use crate::diagnostic::{Code, Severity};
use crate::route::Route;
use ir::peer::Peers;
use ir::policy::{Action, Beyond, Direction, Rank, Rule};
use ir::port::{Port, Ports};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// An entry of `ingress`, `ingressDeny`, `egress` or `egressDeny`.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    pub(super) at: Route,
    pub(super) direction: Direction,
    pub(super) action: Action,
    pub(super) endpoints: Option<&'a [LabelSelector]>,
    pub(super) requires: bool,
    pub(super) cidr: Option<&'a [String]>,
    pub(super) cidr_set: Option<&'a [CidrRule]>,
    pub(super) entities: Option<&'a [String]>,
    pub(super) groups: Option<&'a [Group]>,
    pub(super) nodes: Option<&'a [LabelSelector]>,
    pub(super) services: Option<&'a [Service]>,
    pub(super) fqdns: Option<&'a [Fqdn]>,
    pub(super) ports: &'a [PortRule],
    pub(super) icmps: &'a [IcmpRule],
    pub(super) authentication: Option<&'a Authentication>,
}

/// The entries of a policy, sections in the order of the API.
pub(super) fn of<'a>(at: &Route, spec: &'a Spec) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    for (section, action, list) in [
        ("ingress", Action::Allow, &spec.ingress),
        ("ingressDeny", Action::Deny, &spec.ingress_deny),
    ] {
        for (index, rule) in list.iter().flatten().enumerate() {
            entries.push(Entry::ingress(at.then(section).then(index), action, rule));
        }
    }
    for (section, action, list) in [
        ("egress", Action::Allow, &spec.egress),
        ("egressDeny", Action::Deny, &spec.egress_deny),
    ] {
        for (index, rule) in list.iter().flatten().enumerate() {
            entries.push(Entry::egress(at.then(section).then(index), action, rule));
        }
    }
    entries
}

/// Ports that share their demands: one rule each, so that a demand of one cannot take the others along.
pub(super) struct Part {
    pub(super) ports: Ports,
    pub(super) beyond: Vec<Beyond>,
    /// The entry of `toPorts`, when the part is one of its own.
    pub(super) at: Option<Route>,
}

impl<'a> Entry<'a> {
    fn ingress(at: Route, action: Action, rule: &'a IngressRule) -> Self {
        Self {
            at,
            direction: Direction::Ingress,
            action,
            endpoints: rule.from_endpoints.as_deref(),
            requires: rule.from_requires.is_some(),
            cidr: rule.from_cidr.as_deref(),
            cidr_set: rule.from_cidr_set.as_deref(),
            entities: rule.from_entities.as_deref(),
            groups: rule.from_groups.as_deref(),
            nodes: rule.from_nodes.as_deref(),
            services: None,
            fqdns: None,
            ports: rule.to_ports.as_deref().unwrap_or_default(),
            icmps: rule.icmps.as_deref().unwrap_or_default(),
            authentication: rule.authentication.as_ref(),
        }
    }

    fn egress(at: Route, action: Action, rule: &'a EgressRule) -> Self {
        Self {
            at,
            direction: Direction::Egress,
            action,
            endpoints: rule.to_endpoints.as_deref(),
            requires: rule.to_requires.is_some(),
            cidr: rule.to_cidr.as_deref(),
            cidr_set: rule.to_cidr_set.as_deref(),
            entities: rule.to_entities.as_deref(),
            groups: rule.to_groups.as_deref(),
            nodes: rule.to_nodes.as_deref(),
            services: rule.to_services.as_deref(),
            fqdns: rule.to_fqdns.as_deref(),
            ports: rule.to_ports.as_deref().unwrap_or_default(),
            icmps: rule.icmps.as_deref().unwrap_or_default(),
            authentication: rule.authentication.as_ref(),
        }
    }

    /// A field of this entry by its name without direction: `Endpoints` is `fromEndpoints` or `toEndpoints`.
    pub(super) fn field(&self, name: &str) -> String {
        match self.direction {
            Direction::Ingress => format!("from{name}"),
            Direction::Egress => format!("to{name}"),
        }
    }

    /// Its lists of peers that are written, empty ones too: each field with its length.
    pub(super) fn peer_lists(&self) -> Vec<(String, usize)> {
        [
            ("Endpoints", self.endpoints.map(<[_]>::len)),
            ("CIDR", self.cidr.map(<[_]>::len)),
            ("CIDRSet", self.cidr_set.map(<[_]>::len)),
            ("Entities", self.entities.map(<[_]>::len)),
            ("Groups", self.groups.map(<[_]>::len)),
            ("Nodes", self.nodes.map(<[_]>::len)),
            ("Services", self.services.map(<[_]>::len)),
            ("FQDNs", self.fqdns.map(<[_]>::len)),
        ]
        .into_iter()
        .filter_map(|(name, length)| Some((self.field(name), length?)))
        .collect()
    }

    /// Whether it is `{}`, or says as little: nothing of peers, nothing of ports.
    pub(super) fn says_nothing(&self) -> bool {
        self.peer_lists().is_empty() && self.ports.is_empty() && self.icmps.is_empty()
    }

    /// The rules that the entry stands for: mostly one.
    pub(super) fn lower(&self, site: &mut Site<'_>, scope: &Scope<'_>) -> Vec<Rule> {
        self.check(site);
        let lists = self.peer_lists();
        let peers = match lists.as_slice() {
            [] if self.says_nothing() => {
                if self.action == Action::Deny {
                    let finding = remark(
                        site,
                        Code::FIELD_WITHOUT_EFFECT,
                        &self.at,
                        "an empty deny rule denies nothing by itself; by being there it makes the policy deny by default, unless `enableDefaultDeny` keeps it from that",
                    );
                    site.report(finding.help(
                        "an empty rule in the allow section says so; to deny every peer whatever else allows it, name the \
                         entity `all`",
                    ));
                }
                Peers::OneOf(Vec::new())
            }
            [] => Peers::Any,
            [(field, 0)] => {
                opposite::empty_list(site, &self.at.then(&**field), field);
                Peers::OneOf(Vec::new())
            }
            [_] => Peers::OneOf(peer::lower(self, site, scope)),
            [(first, _), others @ ..] => {
                self.refuse_two_kinds(site, first, others);
                Peers::OneOf(Vec::new())
            }
        };
        let mut common = demand::of_entry(self, site);
        if let Some(groups) = self.groups.filter(|groups| !groups.is_empty()) {
            common.push(demand::groups(self, site, groups));
        }
        self.parts(site, scope)
            .into_iter()
            .map(|part| {
                let mut beyond = part.beyond;
                beyond.extend(common.iter().cloned());
                beyond.sort();
                Rule {
                    direction: self.direction,
                    rank: Rank::NAMESPACED,
                    action: self.action,
                    peers: peers.clone(),
                    ports: part.ports,
                    beyond,
                    origin: site.origin(part.at.as_ref().unwrap_or(&self.at)),
                }
            })
            .collect()
    }

    fn check(&self, site: &mut Site<'_>) {
        if self.requires {
            let field = self.field("Requires");
            let message = format!("Cilium has no `{field}` any more (removed in 1.19)");
            let finding = site.key_refusal(Code::REFUSED_COMBINATION, &self.at.then(&*field), message);
            let deny = match self.direction {
                Direction::Ingress => "ingressDeny",
                Direction::Egress => "egressDeny",
            };
            site.report(finding.help(format!(
                "say it as a deny: an `{deny}` rule for the peers without the required labels"
            )));
        }
        if !self.ports.is_empty() && !self.icmps.is_empty() {
            let message = "`icmps` cannot stand beside `toPorts` in one rule";
            let finding = site
                .key_refusal(Code::REFUSED_COMBINATION, &self.at.then("icmps"), message)
                .because(site.object.key_origin(&self.at.then("toPorts")), "beside it");
            site.report(finding.help("make two rules of them with the same peers"));
        }
        if self.action == Action::Deny
            && let Some(fqdns) = self.fqdns
            && !fqdns.is_empty()
        {
            let message = "a deny rule cannot name peers by DNS";
            let finding = site.key_refusal(Code::REFUSED_COMBINATION, &self.at.then("toFQDNs"), message);
            site.report(
                finding.help(
                    "allow only the names that may be reached, or deny address blocks with `toCIDRSet`",
                ),
            );
        }
    }

    fn refuse_two_kinds(&self, site: &mut Site<'_>, first: &str, others: &[(String, usize)]) {
        for (other, length) in others {
            let message = format!("`{other}` cannot stand beside `{first}` in one rule");
            let finding = site
                .key_refusal(Code::REFUSED_COMBINATION, &self.at.then(&**other), message)
                .because(site.object.key_origin(&self.at.then(first)), "beside it");
            site.report(finding.help(if *length == 0 {
                format!("remove `{other}`: an empty list means no peer, and versions differ on which of the two wins")
            } else {
                "make two rules of them, each with its own `-`".to_owned()
            }));
        }
    }

    fn parts(&self, site: &mut Site<'_>, scope: &Scope<'_>) -> Vec<Part> {
        let plain = |ports| Part {
            ports,
            beyond: Vec::new(),
            at: None,
        };
        if self.ports.is_empty() {
            let ports = if self.icmps.is_empty() {
                Ports::Any
            } else {
                Ports::OneOf(icmp::lower(self, site))
            };
            return vec![plain(ports)];
        }
        let mut together: Vec<Port> = Vec::new();
        let mut has_plain = false;
        let mut parts = Vec::new();
        for (index, rule) in self.ports.iter().enumerate() {
            let at = self.at.then("toPorts").then(index);
            let beyond = demand::of_ports(self, site, &at, rule, scope);
            let ports = port::lower(site, &at, rule);
            if rule.ports.as_deref().unwrap_or_default().is_empty() {
                self.no_port(site, &at);
            }
            if beyond.is_empty() {
                has_plain = true;
                together.extend(ports);
            } else {
                parts.push(Part {
                    ports: Ports::OneOf(ports),
                    beyond,
                    at: Some(at),
                });
            }
        }
        if has_plain {
            parts.insert(0, plain(Ports::OneOf(together)));
        }
        parts
    }

    /// `toPorts: [{}]` and `toPorts: [{ports: []}]`.
    fn no_port(&self, site: &mut Site<'_>, at: &Route) {
        let message = format!("this entry names no port, so it {} nothing", verb(self.action));
        let finding = remark(site, Code::FIELD_WITHOUT_EFFECT, at, message);
        let mut finding = finding.help(
            "for every port leave `toPorts` out, or write `port: \"0\"` with the protocol; otherwise list the ports",
        );
        // Beside other ports it is only superfluous; alone, the whole rule does nothing.
        if self.ports.len() == 1 {
            finding.severity = Severity::Error;
        }
        site.report(finding);
    }
}
