//! Graphs as text for Graphviz: the ends of connections, framed by namespace.

use crate::diagnostic::escape;
use petgraph::dot::{Config, Dot, RankDir};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::IntoEdgeReferences;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// One end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// The namespace whose frame it is drawn in.
    pub namespace: Option<String>,
    /// What is written in it.
    pub label: String,
    /// Attributes in Graphviz's words, such as `shape=box`; never text from manifests.
    pub look: &'static str,
}

/// An arrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// What is written beside it.
    pub label: String,
    /// Attributes in Graphviz's words; never text from manifests.
    pub look: &'static str,
}

/// A graph in the making.
#[derive(Debug, Default)]
pub struct Drawing {
    graph: DiGraph<Node, Edge>,
    known: BTreeMap<Node, NodeIndex>,
}

impl Drawing {
    /// Draws an arrow; the ends are drawn once each.
    pub fn arrow(&mut self, from: Node, to: Node, edge: Edge) {
        let from = self.node(from);
        let to = self.node(to);
        self.graph.add_edge(from, to, edge);
    }

    /// Draws an end, whether it has arrows or not.
    pub fn node(&mut self, node: Node) -> NodeIndex {
        if let Some(known) = self.known.get(&node) {
            return *known;
        }
        let index = self.graph.add_node(node.clone());
        self.known.insert(node, index);
        index
    }

    /// Writes the graph; nodes and arrows in the order in which they were drawn.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "digraph connectivity {{")?;
        writeln!(out, "    node [ shape=box fontname=\"sans-serif\" ]")?;
        writeln!(out, "    edge [ fontname=\"sans-serif\" fontsize=10 ]")?;
        let mut frames: BTreeMap<&str, Vec<NodeIndex>> = BTreeMap::new();
        for index in self.graph.node_indices() {
            if let Some(namespace) = self.graph.node_weight(index).and_then(|n| n.namespace.as_deref()) {
                frames.entry(namespace).or_default().push(index);
            }
        }
        for (position, (namespace, members)) in frames.iter().enumerate() {
            let members: Vec<_> = members.iter().map(|index| index.index().to_string()).collect();
            let label = quoted(namespace);
            let members = members.join("; ");
            writeln!(
                out,
                "    subgraph cluster_{position} {{ label={label}; {members} }}"
            )?;
        }
        let config = [
            Config::GraphContentOnly,
            Config::NodeNoLabel,
            Config::EdgeNoLabel,
            Config::RankDir(RankDir::LR),
        ];
        let edge = |_, edge: <&DiGraph<Node, Edge> as IntoEdgeReferences>::EdgeRef| {
            let Edge { label, look } = edge.weight();
            attributes(label, look)
        };
        let node = |_, (_, node): (NodeIndex, &Node)| attributes(&node.label, node.look);
        let drawn = Dot::with_attr_getters(&self.graph, &config, &edge, &node);
        write!(out, "{drawn:?}")?;
        writeln!(out, "}}")
    }
}

fn attributes(label: &str, look: &str) -> String {
    let gap = if look.is_empty() { "" } else { " " };
    format!("label={}{gap}{look} ", quoted(label))
}

/// A string of the DOT language whose text is shown as it is: its escapes begin with a backslash.
fn quoted(text: &str) -> String {
    let text = escape::message(text)
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_in_its_string() {
        let node = |namespace: &str, label: &str| Node {
            namespace: Some(namespace.to_owned()),
            label: label.to_owned(),
            look: "",
        };
        let mut drawing = Drawing::default();
        let edge = Edge {
            label: "TCP 80\nUDP 53".to_owned(),
            look: "color=red",
        };
        drawing.arrow(node("a\"; x", "one\\"), node("b", "two\u{1b}"), edge.clone());
        drawing.arrow(node("b", "two\u{1b}"), node("a\"; x", "one\\"), edge);
        let mut out = Vec::new();
        drawing.write(&mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }
}
