//! Policies: their rules, peers, ports and selectors.

use std::collections::BTreeSet;

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::combinator::{cut, opt, peek, value};
use nom::multi::many0;
use nom::sequence::{delimited, pair, separated_pair, terminated};

use super::{Statement, at, item_at, named, once, protocol};
use crate::origin::Origin;
use crate::peer::{CidrBlock, CidrScope, DomainPattern, Entity, Peer, PeerMatch, Peers};
use crate::policy::{
    Action, Beyond, BeyondKind, Direction, Directions, Policy, PolicyKind, Rank, Rule, Subject, Tier,
};
use crate::port::{Port, PortMatch, Ports, Protocol, ProtocolSet};
use crate::selector::{Attribute, Operator, Requirement, Selector};
use crate::text::token::{
    Mismatch, Parsed, behind, cidr, end, gap, key, keyword, led, list, number, open, port_name, sign, word,
    wrong,
};
use crate::text::{implied_applies, unnamed_origin};

pub(super) fn policy(text: &str) -> Parsed<'_, Statement> {
    #[derive(Clone)]
    enum Clause {
        Applies(Directions),
        Denies(Directions),
        Open(Option<Origin>),
    }
    let (rest, ()) = keyword("policy").parse(text)?;
    let (rest, kind) = named("a policy's kind", &PolicyKind::ALL, |kind| kind.to_string()).parse(rest)?;
    let (rest, first) = word("a policy's name").parse(rest)?;
    let (rest, second) = opt(behind("/", word("a policy's name"))).parse(rest)?;
    let (namespace, name) = match second {
        Some(name) => (Some(first), name),
        None => (None, first),
    };
    let (mut rest, subject) = led(
        "on",
        alt((
            led("pods", selector).map(Subject::Endpoints),
            led("nodes", selector).map(Subject::Nodes),
        )),
    )
    .parse(rest)?;
    let (mut applies, mut denies) = (None, None);
    let origin = loop {
        let (after, clause) = alt((
            led("applies", directions).map(Clause::Applies),
            led("denies", directions).map(Clause::Denies),
            terminated(opt(at), (sign("{"), end)).map(Clause::Open),
        ))
        .parse(rest)?;
        match clause {
            Clause::Applies(new) => once(&mut applies, new, "`applies`", rest)?,
            Clause::Denies(new) => once(&mut denies, new, "`denies`", rest)?,
            Clause::Open(origin) => {
                rest = gap(after)?.0;
                break origin.unwrap_or_else(unnamed_origin);
            }
        }
        rest = after;
    };
    let mut rules = Vec::new();
    let rest = loop {
        match alt((terminated(sign("}"), end).map(|()| None), rule(&origin).map(Some))).parse(rest)? {
            (after, None) => break after,
            (after, Some(next)) => {
                rules.push(next);
                rest = gap(after)?.0;
            }
        }
    };
    let default_deny = denies.unwrap_or_default();
    let policy = Policy {
        kind,
        namespace,
        name,
        subject,
        applies: applies.unwrap_or_else(|| implied_applies(default_deny, &rules)),
        default_deny,
        rules,
        origin,
    };
    Ok((rest, Statement::Policy(policy)))
}

fn directions(text: &str) -> Parsed<'_, Directions> {
    let flags = |ingress, egress| Directions { ingress, egress };
    alt((
        value(flags(true, false), keyword("ingress")),
        value(flags(false, true), keyword("egress")),
        value(flags(true, true), keyword("both")),
        value(flags(false, false), keyword("nothing")),
    ))
    .parse(text)
}

fn rule<'a>(policy: &Origin) -> impl Parser<&'a str, Output = Rule, Error = Mismatch<'a>> {
    move |text: &'a str| {
        let (rest, action) = alt((
            value(Action::Allow, keyword("allow")),
            value(Action::Deny, keyword("deny")),
            value(Action::Pass, keyword("pass")),
        ))
        .parse(text)?;
        let (rest, (direction, side)) = alt((
            value((Direction::Ingress, "from"), keyword("ingress")),
            value((Direction::Egress, "to"), keyword("egress")),
        ))
        .parse(rest)?;
        let (rest, rank) = opt(rank).parse(rest)?;
        let (rest, peers) = opt(led(side, nothing_or(peer))).parse(rest)?;
        let (rest, ports) = opt(led("ports", nothing_or(port))).parse(rest)?;
        let (rest, beyond) = opt(led("beyond", list(pair(demand, item_at)))).parse(rest)?;
        let (rest, origin) = alt((at.map(Some), end.map(|()| None)))
            .parse(rest)
            .map_err(|error| {
                error.map(|mismatch| {
                    let more = beyond.is_none();
                    let also = [
                        (more && peers.is_none() && ports.is_none(), side),
                        (more && ports.is_none(), "ports"),
                        (more, "beyond"),
                    ];
                    mismatch.also_expecting(also.into_iter().filter(|(open, _)| *open).map(|(_, word)| word))
                })
            })?;
        let (rest, ()) = if origin.is_some() { end(rest)? } else { (rest, ()) };
        let origin = origin.unwrap_or_else(|| policy.clone());
        let rule = Rule {
            direction,
            rank: rank.unwrap_or(Rank::NAMESPACED),
            action,
            peers: peers.map_or(Peers::Any, |peers| {
                let peer = |(matches, own): (_, Option<Origin>)| Peer {
                    matches,
                    origin: own.unwrap_or_else(|| origin.clone()),
                };
                Peers::OneOf(peers.into_iter().map(peer).collect())
            }),
            ports: ports.map_or(Ports::Any, |ports| {
                let port = |(matches, own): (_, Option<Origin>)| Port {
                    matches,
                    origin: own.unwrap_or_else(|| origin.clone()),
                };
                Ports::OneOf(ports.into_iter().map(port).collect())
            }),
            beyond: beyond
                .into_iter()
                .flatten()
                .map(|(kind, own)| Beyond {
                    kind,
                    origin: own.unwrap_or_else(|| origin.clone()),
                })
                .collect(),
            origin,
        };
        Ok((rest, rule))
    }
}

fn demand(text: &str) -> Parsed<'_, BeyondKind> {
    named("a demand", &BeyondKind::ALL, |kind| kind.to_string()).parse(text)
}

fn rank(text: &str) -> Parsed<'_, Rank> {
    let (rest, tier) = alt((
        value(Tier::Admin, keyword("admin")),
        value(Tier::Namespaced, keyword("namespaced")),
        value(Tier::Baseline, keyword("baseline")),
    ))
    .parse(text)?;
    let (rest, (priority, order)) = cut(separated_pair(
        number("a priority"),
        sign("."),
        number("a rule's order"),
    ))
    .parse(rest)?;
    Ok((
        rest,
        Rank {
            tier,
            priority,
            order,
        },
    ))
}

/// `nothing`, or a list of items, each with its own origin if it says one.
fn nothing_or<'a, T: Clone>(
    item: fn(&'a str) -> Parsed<'a, T>,
) -> impl Parser<&'a str, Output = Vec<(T, Option<Origin>)>, Error = Mismatch<'a>> {
    alt((value(Vec::new(), keyword("nothing")), list(pair(item, item_at))))
}

fn peer(text: &str) -> Parsed<'_, PeerMatch> {
    alt((
        led("pods", selector).map(PeerMatch::Endpoints),
        led("nodes", selector).map(PeerMatch::Nodes),
        led("other-nodes", selector).map(PeerMatch::OtherNodes),
        led("cidr", block(CidrScope::Everything)).map(PeerMatch::Cidr),
        led("outside", block(CidrScope::OutsideCluster)).map(PeerMatch::Cidr),
        led(
            "entity",
            named("an entity", &Entity::ALL, |entity| entity.name().to_owned()),
        )
        .map(PeerMatch::Entity),
        led("domain", word("a domain pattern")).map(|pattern| PeerMatch::Domain(DomainPattern(pattern))),
    ))
    .parse(text)
}

fn block<'a>(scope: CidrScope) -> impl Parser<&'a str, Output = CidrBlock, Error = Mismatch<'a>> {
    move |text: &'a str| {
        let (rest, block) = cidr(text)?;
        if block != block.trunc() {
            return wrong(
                text,
                format!("`{block}` has host bits, the block is `{}`", block.trunc()),
            );
        }
        let (rest, except) = match opt(keyword("except")).parse(rest)? {
            (rest, None) => (rest, Vec::new()),
            (rest, Some(())) => {
                let (rest, first) = cidr(rest)?;
                let (rest, mut holes) = many0(cidr).parse(rest)?;
                holes.push(first);
                holes.sort();
                (rest, holes)
            }
        };
        let block = CidrBlock {
            cidr: block,
            except,
            scope,
        };
        Ok((rest, block))
    }
}

fn port(text: &str) -> Parsed<'_, PortMatch> {
    #[derive(Clone)]
    enum Which {
        Numbers(u16, u16),
        Name(String),
    }
    let (rest, which) = alt((
        value(Which::Numbers(0, u16::MAX), sign("*")),
        pair(
            number("a port's number"),
            opt(behind("-", number("a port's number"))),
        )
        .map(|(first, last)| Which::Numbers(first, last.unwrap_or(first))),
        port_name.map(Which::Name),
    ))
    .parse(text)?;
    let (at_protocol, ()) = sign("/").parse(rest)?;
    let (rest, protocol) = alt((
        value(ProtocolSet::AnyTransport, keyword("ANY")),
        protocol().map(ProtocolSet::One),
    ))
    .parse(at_protocol)?;
    let matches = match (which, protocol) {
        (Which::Numbers(first, last), ProtocolSet::One(protocol @ (Protocol::Icmp | Protocol::Icmpv6))) => {
            match u8::try_from(first) {
                Ok(message_type) if first == last => PortMatch::Icmp {
                    protocol,
                    message_type,
                },
                _ => return wrong(text, format!("{protocol} takes one message type, 0 to 255")),
            }
        }
        (_, ProtocolSet::One(protocol)) if !protocol.has_ports() => {
            return wrong(at_protocol, format!("{protocol} has no such ports"));
        }
        (Which::Numbers(first, last), _) if last < first => {
            return wrong(text, "the range ends before it begins".to_owned());
        }
        (Which::Numbers(first, last), protocol) => PortMatch::Numbers {
            protocol,
            first,
            last,
        },
        (Which::Name(name), protocol) => PortMatch::Name { protocol, name },
    };
    Ok((rest, matches))
}

fn selector(text: &str) -> Parsed<'_, Selector> {
    delimited(
        open("["),
        alt((
            value(Vec::new(), peek(sign("]"))),
            terminated(list(requirement), gap),
        )),
        sign("]"),
    )
    .map(Selector::new)
    .parse(text)
}

fn requirement(text: &str) -> Parsed<'_, Requirement> {
    let (rest, absent) = opt(sign("!")).parse(text)?;
    let (rest, attribute) = attribute(rest)?;
    if absent.is_some() {
        let operator = Operator::DoesNotExist;
        return Ok((rest, Requirement { attribute, operator }));
    }
    let one = || word("a value").map(|value| BTreeSet::from([value]));
    let (rest, operator) = alt((
        behind("!=", one()).map(Operator::NotIn),
        behind("=", one()).map(Operator::In),
        led("in", values).map(Operator::In),
        led("notin", values).map(Operator::NotIn),
        value(
            Operator::Exists,
            peek(alt((sign(","), sign("]"), value((), tag("\n"))))),
        ),
    ))
    .parse(rest)?;
    Ok((rest, Requirement { attribute, operator }))
}

fn values(text: &str) -> Parsed<'_, BTreeSet<String>> {
    delimited(
        open("("),
        alt((
            value(Vec::new(), peek(sign(")"))),
            terminated(list(word("a value")), gap),
        )),
        sign(")"),
    )
    .map(|values| values.into_iter().collect())
    .parse(text)
}

fn attribute(text: &str) -> Parsed<'_, Attribute> {
    let (rest, (name, quoted)) = key(text)?;
    let attribute = match (name.as_str(), quoted) {
        ("ns", false) => match opt(behind(":", key)).parse(rest)? {
            (rest, Some((key, _))) => return Ok((rest, Attribute::NamespaceLabel(key))),
            (_, None) => Attribute::Namespace,
        },
        ("account", false) => Attribute::ServiceAccount,
        ("cluster", false) => Attribute::Cluster,
        _ => Attribute::Label(name),
    };
    Ok((rest, attribute))
}
