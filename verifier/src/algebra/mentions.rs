//! What cubes mention, as a rule that mentions the same: a cube that was cut to a shorter one speaks of what the rules
//! that cut it speak of, and a flow made up for it must too.

use ir::origin::Origin;
use ir::peer::{CidrBlock, CidrScope, Peer, PeerMatch, Peers};
use ir::policy::{Action, Direction, Rank, Rule};
use ir::port::{Port, PortMatch, Ports, ProtocolSet};
use ir::selector::{Attribute, Operator, Requirement, Selector};

use super::cube::{Addresses, Cube, Fact};
use super::values::{Values, Word};
use super::words::Words;

impl Words {
    /// A rule that matches nothing in particular and mentions everything that these cubes do.
    pub(crate) fn mentioned_in<'c>(&self, cubes: impl IntoIterator<Item = &'c Cube>) -> Rule {
        let origin = Origin::synthetic("<flows>");
        let mut peers = vec![];
        let mut names = vec![];
        for cube in cubes {
            for pod in [&cube.subject, &cube.peer] {
                let asked = pod.iter().filter_map(|(number, values)| {
                    Some(self.requirement(self.attribute_of(number)?.clone(), values))
                });
                peers.push(PeerMatch::Endpoints(Selector::new(asked)));
            }
            let labels = cube.node.iter().filter_map(|(number, values)| {
                let key = self.node_key_of(number)?.to_owned();
                Some(self.requirement(Attribute::Label(key), values))
            });
            peers.push(PeerMatch::Nodes(Selector::new(labels)));
            if cube.addresses != Addresses::all() || cube.subject_addresses != Addresses::all() {
                peers.extend("0.0.0.0/0".parse().ok().map(|cidr| {
                    PeerMatch::Cidr(CidrBlock {
                        cidr,
                        except: vec![],
                        scope: CidrScope::Everything,
                    })
                }));
            }
            for (fact, _) in &cube.facts {
                match fact {
                    Fact::SubjectName(name) | Fact::PeerName(name) => names.extend(self.name_of(*name)),
                    Fact::Resolved(pattern) => {
                        peers.extend(self.pattern_of(*pattern).cloned().map(PeerMatch::Domain));
                    }
                    Fact::ApiServer => {}
                }
            }
        }
        let peers = peers.into_iter().map(|matches| Peer {
            matches,
            origin: origin.clone(),
        });
        let ports = names.into_iter().map(|name| Port {
            matches: PortMatch::Name {
                protocol: ProtocolSet::AnyTransport,
                name: name.to_owned(),
            },
            origin: origin.clone(),
        });
        Rule {
            direction: Direction::Ingress,
            rank: Rank::NAMESPACED,
            action: Action::Allow,
            peers: Peers::OneOf(peers.collect()),
            ports: Ports::OneOf(ports.collect()),
            beyond: vec![],
            origin: origin.clone(),
        }
    }

    fn requirement(&self, attribute: Attribute, values: &Values) -> Requirement {
        let texts = |words: &[Word]| {
            let texts = words.iter().filter_map(|word| self.text(*word));
            texts.map(str::to_owned).collect()
        };
        Requirement {
            attribute,
            operator: match values {
                Values::Only(words) => Operator::In(texts(words)),
                Values::AllBut(words) => Operator::NotIn(texts(words)),
            },
        }
    }
}
