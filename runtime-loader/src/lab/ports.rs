//! Which ports matter.
//!
//! A wrong verdict shows at an edge: at a number that a policy names, at the number behind a name that a policy
//! uses on some pod, or right beside one. One port that nobody speaks of stands for all the rest. Every number is
//! probed on TCP and on UDP, whichever the policy means: the other one must stay what it is.

use std::collections::BTreeSet;

use ir::model::Model;
use ir::port::{PortMatch, Ports};

/// Where the search for a port that nobody speaks of begins: outside what services usually take, and below where
/// probes have their source ports.
const NOBODYS: u16 = 6001;

/// The destination ports to probe, ascending.
#[must_use]
pub fn that_matter(model: &Model) -> BTreeSet<u16> {
    let mut spoken_of = BTreeSet::new();
    let entries = model
        .policies()
        .iter()
        .flat_map(|policy| &policy.rules)
        .flat_map(|rule| match &rule.ports {
            Ports::Any => [].iter(),
            Ports::OneOf(entries) => entries.iter(),
        });
    for entry in entries {
        match &entry.matches {
            PortMatch::Numbers { first, last, .. } => spoken_of.extend([*first, *last]),
            PortMatch::Name { name, .. } => spoken_of.extend(
                model
                    .cluster
                    .endpoints()
                    .iter()
                    .flat_map(|endpoint| &endpoint.ports)
                    // Whatever the container's role: an init container's number is one that a wrong resolution opens.
                    .filter(|port| {
                        port.name
                            .as_ref()
                            .is_some_and(|own| own.eq_ignore_ascii_case(name))
                    })
                    .map(|port| port.number),
            ),
            PortMatch::Icmp { .. } => {}
        }
    }
    // Port 0 cannot be listened on.
    let mut ports: BTreeSet<u16> = spoken_of
        .iter()
        .flat_map(|port| [port.checked_sub(1), Some(*port), port.checked_add(1)])
        .flatten()
        .filter(|port| *port != 0)
        .collect();
    ports.extend((NOBODYS..).find(|port| !ports.contains(port)));
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(text: &str) -> Vec<u16> {
        that_matter(&ir::text::parse(text).unwrap()).into_iter().collect()
    }

    #[test]
    fn names_become_every_number_behind_them_and_edges_get_neighbours() {
        let text = "\
            endpoint shop/a ports http 8080/TCP, other 9999/TCP\n\
            endpoint shop/b ports HTTP 80/UDP, http 443/TCP init\n\
            policy NetworkPolicy shop/p on pods [] denies ingress {\n  \
              allow ingress ports http/TCP, 1-3/UDP, 65535/TCP\n\
            }\n";
        assert_eq!(
            ports(text),
            [
                1, 2, 3, 4, 79, 80, 81, 442, 443, 444, 6001, 8079, 8080, 8081, 65534, 65535
            ]
        );
    }

    #[test]
    fn nobodys_port_is_nobodys() {
        let text =
            "policy NetworkPolicy shop/p on pods [] denies ingress {\n  allow ingress ports 6001/TCP\n}\n";
        assert_eq!(ports(text), [6000, 6001, 6002, 6003]);
        assert_eq!(
            ports("endpoint shop/a ports http 80/TCP\n"),
            [6001],
            "no policy speaks of a port"
        );
    }
}
