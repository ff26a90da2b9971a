//! Ports of a guarantee: `port 443, 8000-8080/UDP, http, icmp/8`.

use std::str::FromStr;

use ir::port::{PortMatch, Protocol, ProtocolSet};
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::combinator::{cut, opt};
use nom::sequence::preceded;

use super::{Parsed, blanks, expect, is_word, keyword, list, shortened, wrong};

/// `( "port" | "ports" ) port { "," port }`
pub(super) fn ports(text: &str) -> Parsed<'_, Vec<PortMatch>> {
    let word = alt((keyword("ports"), keyword("port")));
    preceded(word, cut(list(port))).parse(text)
}

fn port(text: &str) -> Parsed<'_, PortMatch> {
    let piece = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '*');
    let (rest, which) = expect(
        "a port (`443`, `8000-8080/UDP`, `http`, `*/TCP`, `icmp/8`)",
        take_while1(piece),
    )
    .parse(text)?;
    let (rest, behind) = opt(preceded(tag("/"), take_while1(is_word))).parse(rest)?;
    let icmp = [Protocol::Icmp, Protocol::Icmpv6]
        .into_iter()
        .find(|protocol| protocol.to_string().eq_ignore_ascii_case(which));
    let matches = match (icmp, behind) {
        (Some(protocol), Some(kind)) => match u8::from_str(kind) {
            Ok(message_type) => PortMatch::Icmp {
                protocol,
                message_type,
            },
            Err(_) => {
                let message = format!("`{}` is no message type: they go from 0 to 255", shortened(kind));
                return wrong(text, rest, message, None);
            }
        },
        _ => {
            let protocol = match behind {
                // As in a NetworkPolicy.
                None => ProtocolSet::One(Protocol::Tcp),
                Some(any) if any.eq_ignore_ascii_case("any") => ProtocolSet::AnyTransport,
                Some(named) => {
                    let known = Protocol::TRANSPORT
                        .into_iter()
                        .find(|one| one.to_string().eq_ignore_ascii_case(named));
                    match known {
                        Some(one) => ProtocolSet::One(one),
                        None => {
                            let message = format!("`{}` is no protocol with ports", shortened(named));
                            let help = "one of `TCP`, `UDP`, `SCTP`, `ANY`; ICMP is written `icmp/8`";
                            return wrong(text, rest, message, Some(help));
                        }
                    }
                }
            };
            match numbers_or_name(which, protocol) {
                Ok(matches) => matches,
                Err(message) => return wrong(text, rest, message, None),
            }
        }
    };
    let (rest, _) = blanks(rest)?;
    Ok((rest, matches))
}

fn numbers_or_name(which: &str, protocol: ProtocolSet) -> Result<PortMatch, String> {
    if which == "*" {
        return Ok(PortMatch::Numbers {
            protocol,
            first: 0,
            last: u16::MAX,
        });
    }
    let numeric = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let number = |text: &str| match text.parse::<u16>() {
        Ok(number) if number > 0 => Ok(number),
        Ok(_) | Err(_) => Err(format!(
            "`{}` is no port: they go from 1 to 65535",
            shortened(text)
        )),
    };
    if numeric(which) {
        let number = number(which)?;
        return Ok(PortMatch::Numbers {
            protocol,
            first: number,
            last: number,
        });
    }
    if let Some((first, last)) = which.split_once('-')
        && numeric(first)
        && numeric(last)
    {
        let (first, last) = (number(first)?, number(last)?);
        if last < first {
            return Err(format!("the range `{which}` ends before it begins"));
        }
        return Ok(PortMatch::Numbers {
            protocol,
            first,
            last,
        });
    }
    // Source: Kubernetes, `IsValidPortName`.
    let valid = which.len() <= 15
        && which.chars().any(|c| c.is_ascii_alphabetic())
        && !which.contains('*')
        && !which.contains("--")
        && !which.starts_with('-')
        && !which.ends_with('-');
    if !valid {
        return Err(format!(
            "`{}` is neither a port nor a port's name",
            shortened(which)
        ));
    }
    Ok(PortMatch::Name {
        protocol,
        name: which.to_owned(),
    })
}
