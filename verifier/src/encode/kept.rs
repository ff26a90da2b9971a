//! Plain values as text, and back: what is kept of a flow between runs. Text that does not fit the vocabulary and the
//! cluster is nobody's: it gives no value.

use std::collections::BTreeMap;

use ir::cluster::EndpointId;
use ir::model::Model;
use ir::port::Protocol;

use super::assignment::{Assignment, Class, EndValues, Packet, PodValues, WholeAssignment};
use super::vocabulary::Vocabulary;

/// What one pod's values and a packet's are written with, and read against.
pub(crate) struct Words<'a> {
    pub(crate) model: &'a Model,
    pub(crate) vocabulary: &'a Vocabulary,
}

impl Words<'_> {
    /// A whole flow on one line.
    pub(crate) fn write_whole(&self, values: &WholeAssignment) -> String {
        format!(
            "{} {} {} {}",
            self.end_as_text(&values.source),
            self.end_as_text(&values.destination),
            self.packet_as_text(&values.packet),
            u8::from(values.api_server)
        )
    }

    pub(crate) fn read_whole(&self, text: &str) -> Option<WholeAssignment> {
        let mut words = text.split(' ');
        let values = WholeAssignment {
            source: self.end(&mut words)?,
            destination: self.end(&mut words)?,
            packet: self.packet(&mut words)?,
            api_server: flag(words.next()?)?,
        };
        words.next().is_none().then_some(values)
    }

    /// One side of a flow on one line.
    pub(crate) fn write(&self, values: &Assignment) -> String {
        format!(
            "{} {} {}",
            self.pod_as_text(&values.subject),
            self.end_as_text(&values.peer),
            self.packet_as_text(&values.packet)
        )
    }

    pub(crate) fn read(&self, text: &str) -> Option<Assignment> {
        let mut words = text.split(' ');
        let values = Assignment {
            subject: self.pod(&mut words)?,
            peer: self.end(&mut words)?,
            packet: self.packet(&mut words)?,
        };
        words.next().is_none().then_some(values)
    }

    fn end_as_text(&self, end: &EndValues) -> String {
        format!(
            "{} {} {}",
            end.class.code(),
            self.pod_as_text(&end.pod),
            end.address
        )
    }

    fn end<'t>(&self, words: &mut impl Iterator<Item = &'t str>) -> Option<EndValues> {
        Some(EndValues {
            class: class(words.next()?)?,
            pod: self.pod(words)?,
            address: words.next()?.parse().ok()?,
        })
    }

    fn pod_as_text(&self, pod: &PodValues) -> String {
        let existing = pod.existing.map_or_else(|| "-".to_owned(), |id| id.0.to_string());
        let codes = self
            .vocabulary
            .pods
            .keys()
            .map(|key| pod.attributes.get(key).copied());
        let names = self.vocabulary.names.iter().map(|name| pod.names.contains(name));
        format!("{existing} {} {}", numbers(codes), flags(names))
    }

    fn pod<'t>(&self, words: &mut impl Iterator<Item = &'t str>) -> Option<PodValues> {
        let existing = match words.next()? {
            "-" => None,
            number => {
                let id = EndpointId(number.parse().ok()?);
                self.model.cluster.endpoint(id)?;
                Some(id)
            }
        };
        let codes = read_numbers(words.next()?, self.vocabulary.pods.len())?;
        let mut attributes = BTreeMap::new();
        for ((key, domain), code) in self.vocabulary.pods.iter().zip(codes) {
            if let Some(code) = code {
                attributes.insert(key.clone(), (code <= domain.other()).then_some(code)?);
            }
        }
        let given = read_flags(words.next()?, self.vocabulary.names.len())?;
        let names = self.vocabulary.names.iter().zip(given);
        Some(PodValues {
            existing,
            attributes,
            names: names
                .filter(|(_, given)| *given)
                .map(|(name, _)| name.clone())
                .collect(),
        })
    }

    fn packet_as_text(&self, packet: &Packet) -> String {
        let labels = self.vocabulary.nodes.keys();
        let labels = labels.map(|key| packet.node_labels.get(key).copied());
        let patterns = self.vocabulary.patterns.iter();
        let patterns = patterns.map(|one| packet.resolved.contains(one));
        format!(
            "{} {} {} {} {}",
            numbers(labels),
            u8::from(packet.own_node),
            packet.protocol,
            packet.port,
            flags(patterns)
        )
    }

    fn packet<'t>(&self, words: &mut impl Iterator<Item = &'t str>) -> Option<Packet> {
        let codes = read_numbers(words.next()?, self.vocabulary.nodes.len())?;
        let mut node_labels = BTreeMap::new();
        for ((key, domain), code) in self.vocabulary.nodes.iter().zip(codes) {
            if let Some(code) = code {
                node_labels.insert(key.clone(), (code <= domain.other()).then_some(code)?);
            }
        }
        let own_node = flag(words.next()?)?;
        let protocol = words.next()?;
        let protocol = Protocol::ALL
            .into_iter()
            .find(|one| one.to_string() == protocol)?;
        let port = words.next()?.parse().ok()?;
        let given = read_flags(words.next()?, self.vocabulary.patterns.len())?;
        let resolved = self.vocabulary.patterns.iter().zip(given);
        Some(Packet {
            node_labels,
            own_node,
            protocol,
            port,
            resolved: resolved
                .filter(|(_, given)| *given)
                .map(|(pattern, _)| pattern.clone())
                .collect(),
        })
    }
}

fn class(text: &str) -> Option<Class> {
    let code: u64 = text.parse().ok()?;
    Class::ALL.into_iter().find(|class| class.code() == code)
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// `3,-,0`; `.` for none.
fn numbers(numbers: impl Iterator<Item = Option<u64>>) -> String {
    let texts: Vec<String> = numbers
        .map(|number| number.map_or_else(|| "-".to_owned(), |number| number.to_string()))
        .collect();
    if texts.is_empty() {
        ".".to_owned()
    } else {
        texts.join(",")
    }
}

fn read_numbers(text: &str, count: usize) -> Option<Vec<Option<u64>>> {
    let numbers: Vec<Option<u64>> = if text == "." {
        vec![]
    } else {
        let read = text.split(',').map(|one| match one {
            "-" => Some(None),
            number => number.parse().ok().map(Some),
        });
        read.collect::<Option<_>>()?
    };
    (numbers.len() == count).then_some(numbers)
}

/// `010`; `.` for none.
fn flags(flags: impl Iterator<Item = bool>) -> String {
    let text: String = flags.map(|flag| if flag { '1' } else { '0' }).collect();
    if text.is_empty() { ".".to_owned() } else { text }
}

fn read_flags(text: &str, count: usize) -> Option<Vec<bool>> {
    let flags: Vec<bool> = if text == "." {
        vec![]
    } else {
        let read = text.chars().map(|one| match one {
            '0' => Some(false),
            '1' => Some(true),
            _ => None,
        });
        read.collect::<Option<_>>()?
    };
    (flags.len() == count).then_some(flags)
}
