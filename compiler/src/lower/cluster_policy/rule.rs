//! One rule of either section, of any version.

use super::port::{self, WrittenPorts};
use super::{Edition, check_length, peer, required};
use crate::diagnostic::{Applicability, Code, Fix};
use crate::lower::Options;
use crate::lower::site::Site;
use crate::network_policy_api::{v1alpha1, v1alpha2};
use crate::route::Route;
use ir::peer::Peers;
use ir::policy::{Action, Direction, Rank, Rule};

/// `maxLength` of a rule's `name`, in characters.
const NAME_LENGTH: usize = 100;

/// What a rule says, whatever version says it.
pub(super) struct Written<'a> {
    name: Option<&'a str>,
    action: Option<&'a str>,
    peers: Option<Vec<peer::Entry<'a>>>,
    ports: Option<WrittenPorts<'a>>,
}

/// The rules of a section.
pub(super) fn all<'a, R>(section: Option<&'a [R]>) -> Vec<Written<'a>>
where
    Written<'a>: From<&'a R>,
{
    section.into_iter().flatten().map(Written::from).collect()
}

fn entries<'a, P>(peers: Option<&'a Vec<P>>) -> Option<Vec<peer::Entry<'a>>>
where
    peer::Entry<'a>: From<&'a P>,
{
    peers.map(|peers| peers.iter().map(peer::Entry::from).collect())
}

impl<'a> From<&'a v1alpha1::IngressRule> for Written<'a> {
    fn from(rule: &'a v1alpha1::IngressRule) -> Self {
        Self {
            name: rule.name.as_deref(),
            action: rule.action.as_deref(),
            peers: entries(rule.from.as_ref()),
            ports: rule.ports.as_deref().map(WrittenPorts::Ports),
        }
    }
}

impl<'a, P> From<&'a v1alpha1::EgressRule<P>> for Written<'a>
where
    peer::Entry<'a>: From<&'a P>,
{
    fn from(rule: &'a v1alpha1::EgressRule<P>) -> Self {
        Self {
            name: rule.name.as_deref(),
            action: rule.action.as_deref(),
            peers: entries(rule.to.as_ref()),
            ports: rule.ports.as_deref().map(WrittenPorts::Ports),
        }
    }
}

impl<'a> From<&'a v1alpha2::IngressRule> for Written<'a> {
    fn from(rule: &'a v1alpha2::IngressRule) -> Self {
        Self {
            name: rule.name.as_deref(),
            action: rule.action.as_deref(),
            peers: entries(rule.from.as_ref()),
            ports: rule.protocols.as_deref().map(WrittenPorts::Protocols),
        }
    }
}

impl<'a> From<&'a v1alpha2::EgressRule> for Written<'a> {
    fn from(rule: &'a v1alpha2::EgressRule) -> Self {
        Self {
            name: rule.name.as_deref(),
            action: rule.action.as_deref(),
            peers: entries(rule.to.as_ref()),
            ports: rule.protocols.as_deref().map(WrittenPorts::Protocols),
        }
    }
}

/// What a rule is lowered with.
#[derive(Clone, Copy)]
pub(super) struct Context {
    pub(super) edition: Edition,
    pub(super) options: Options,
    pub(super) direction: Direction,
    pub(super) rank: Rank,
}

impl Context {
    /// The rule, or nothing when its action is not one.
    pub(super) fn lower(self, site: &mut Site<'_>, at: &Route, written: &Written<'_>) -> Option<Rule> {
        if written
            .name
            .is_some_and(|name| name.chars().count() > NAME_LENGTH)
        {
            let message = format!("a rule's name has at most {NAME_LENGTH} characters");
            let finding = site.refusal(Code::INVALID_NAME, &at.then("name"), message);
            site.report(finding);
        }
        let action = self.action(site, at, written.action);
        let field = match self.direction {
            Direction::Ingress => "from",
            Direction::Egress => "to",
        };
        let mut peers = Vec::new();
        if let Some(list) = required(site, at, field, written.peers.as_deref()) {
            let at = at.then(field);
            check_length(site, &at, list.len(), 1..=self.edition.most);
            for (index, entry) in list.iter().enumerate() {
                peers.extend(entry.lower(site, &at.then(index), self, action));
            }
        }
        let ports = port::lower(site, at, self.edition, written.ports);
        self.check_names(site, at, written);
        Some(Rule {
            direction: self.direction,
            rank: self.rank,
            action: action?,
            peers: Peers::OneOf(peers),
            ports,
            beyond: Vec::new(),
            origin: site.origin(at),
        })
    }

    fn action(self, site: &mut Site<'_>, at: &Route, written: Option<&str>) -> Option<Action> {
        let Edition { allow, passes, .. } = self.edition;
        match required(site, at, "action", written)? {
            "Deny" => Some(Action::Deny),
            "Pass" if passes => Some(Action::Pass),
            word if word == allow => Some(Action::Allow),
            word => {
                let known = if passes {
                    &[allow, "Deny", "Pass"][..]
                } else {
                    &[allow, "Deny"][..]
                };
                let kind = self.edition.kind;
                let message = format!("`{word}` is not an action of {kind} rules");
                let finding = site.refusal(Code::INVALID_VALUE, &at.then("action"), message);
                let instead = match word.to_ascii_lowercase().as_str() {
                    "allow" | "accept" => Some(allow),
                    other => known
                        .iter()
                        .copied()
                        .find(|word| word.eq_ignore_ascii_case(other)),
                };
                site.report(match instead {
                    Some(known) => {
                        // `Allow` and `Accept` are the words of two versions of one API.
                        let fix =
                            Fix::rewording(Applicability::Safe, site.origin(&at.then("action")), word, known);
                        finding.help(format!("write `{known}`")).fix(fix)
                    }
                    None if word.eq_ignore_ascii_case("pass") => {
                        finding.help("there is no tier below this one; what no rule matches is allowed")
                    }
                    None => finding.help(format!("one of `{}`", known.join("`, `"))),
                });
                None
            }
        }
    }

    /// Nodes, networks and domains have no container ports (`XValidation` on the API's egress rules).
    fn check_names(self, site: &mut Site<'_>, at: &Route, written: &Written<'_>) {
        if self.direction == Direction::Ingress {
            return;
        }
        let Some(name) = written.ports.and_then(|ports| ports.first_name(at)) else {
            return;
        };
        let peers = written.peers.iter().flatten().enumerate();
        let without: Vec<_> = peers
            .filter_map(|(index, peer)| Some((index, peer.without_ports()?)))
            .collect();
        let Some((index, field)) = without.first() else {
            return;
        };
        let message = format!("`{field}` have no port names, so a rule with them cannot name a port");
        let finding = site
            .refusal(Code::NAMED_PORT_WITHOUT_POD, &name, message)
            .because(
                site.object.key_origin(&at.then("to").then(*index).then(*field)),
                "no pods, no container ports",
            );
        site.report(finding.help("give the number, or put these peers into a rule of their own"));
    }
}
