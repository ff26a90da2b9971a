//! Existing pods as cubes.

use ir::cluster::{Cluster, ContainerRole, Endpoint};
use ir::port::Protocol;
use ir::selector::Attribute;

use super::cube::{Addresses, Cube, Fact, PortKey};
use super::ranges::Ranges;
use super::values::{ABSENT, Values};
use super::words::Words;

/// One end of a flow that is a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Subject,
    Peer,
}

/// What of a pod is looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mentioned {
    pub(crate) attributes: Vec<Attribute>,
    /// Port names, in lower case.
    pub(crate) names: Vec<String>,
}

/// The named ports of a pod that count, with names in lower case.
pub(crate) fn counted(pod: &Endpoint) -> impl Iterator<Item = (String, (Protocol, u16))> {
    pod.ports
        .iter()
        .filter(|port| port.role != ContainerRole::Init)
        .filter_map(|port| {
            let name = port.name.as_ref()?;
            Some((name.to_ascii_lowercase(), (port.protocol, port.number)))
        })
}

impl Words {
    /// "The pod is this one", as cubes: for each name, either the flow goes to one of its numbers, or not.
    pub(crate) fn as_pod(
        &self,
        cluster: &Cluster,
        pod: &Endpoint,
        role: Role,
        mentioned: &Mentioned,
    ) -> Vec<Cube> {
        let mut cube = Cube::all();
        let attributes = match role {
            Role::Subject => &mut cube.subject,
            Role::Peer => &mut cube.peer,
        };
        for attribute in &mentioned.attributes {
            if let Some(number) = self.attribute(attribute) {
                let value = cluster.attribute(pod, attribute);
                attributes.restrict(number, &self.value(value));
            }
        }
        if !pod.addresses.is_empty() {
            let mut own = Addresses::none();
            for address in &pod.addresses {
                own = own.or_family(Addresses::of(&(*address).into()));
            }
            match role {
                Role::Peer => cube.addresses = own,
                Role::Subject if self.of_whole_flows() => cube.subject_addresses = own,
                Role::Subject => {}
            }
        }
        let mut cubes = vec![cube];
        for name in &mentioned.names {
            let Some(number) = self.name(name) else {
                continue;
            };
            let fact = match role {
                Role::Subject => Fact::SubjectName(number),
                Role::Peer => Fact::PeerName(number),
            };
            let own = counted(pod).filter(|(own, _)| own == name);
            let keys: Vec<_> = own
                .map(|(_, (protocol, port))| PortKey::of(protocol, port))
                .map(|key| (key, key))
                .collect();
            let defined = Ranges::of(keys);
            let there = Cube {
                ports: defined.clone(),
                facts: vec![(fact, true)],
                ..Cube::all()
            };
            let elsewhere = Cube {
                ports: Ranges::all().without(&defined),
                facts: vec![(fact, false)],
                ..Cube::all()
            };
            cubes = cubes
                .iter()
                .flat_map(|cube| [&there, &elsewhere].map(|part| cube.and(part, self)))
                .flatten()
                .collect();
        }
        cubes
    }

    /// Says of a cube that its node has these labels.
    #[cfg(test)]
    pub(crate) fn label_of_node(&self, cube: &mut Cube, labels: &ir::selector::Labels) {
        for (number, key) in (0..).map_while(|number| Some((number, self.node_key_of(number)?))) {
            let value = labels.get(key).map(String::as_str);
            cube.node.restrict(number, &self.value(value));
        }
    }

    /// The set of one value, which may be one that nobody mentions.
    fn value(&self, value: Option<&str>) -> Values {
        let word = self.word(value);
        if word != ABSENT && self.text(word) != value {
            return Values::AllBut(self.every_word());
        }
        Values::Only(vec![word])
    }
}
