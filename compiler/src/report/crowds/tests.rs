use super::*;
use ir::port::Protocol;
use proptest::prelude::*;

fn tcp(first: u16, last: u16) -> PortSet {
    PortSet::range(Protocol::Tcp, first, last)
}

/// Workloads of namespaces, by their count; the last peer is all addresses outside.
fn peers(namespaces: &[usize]) -> Vec<Peer> {
    let mut peers = Vec::new();
    for (at, count) in namespaces.iter().enumerate() {
        peers.extend((0..*count).map(|number| Peer::Workload {
            namespace: format!("ns-{at}"),
            name: format!("w{number}"),
            kind: "Deployment".to_owned(),
            host_network: false,
        }));
    }
    let whole = ["0.0.0.0/0", "::/0"].map(|net| net.parse().unwrap());
    peers.push(Peer::Outside(whole.into()));
    peers
}

/// A box for each peer, and edges.
fn graph<'a>(peers: &'a [Peer], edges: &[(usize, usize, PortSet)]) -> Graph<'a> {
    let mut graph = Graph::new();
    for peer in peers {
        graph.add_node(Box {
            peers: vec![peer],
            among: PortSet::NONE,
        });
    }
    for (from, to, ports) in edges {
        graph.update_edge(NodeIndex::new(*from), NodeIndex::new(*to), ports.clone());
    }
    graph
}

fn one_each(graph: &Graph<'_>) -> Crowds {
    Crowds::of(graph, |content| content.peers.len())
}

#[test]
fn what_everyone_reaches_is_told_and_what_few_reach_is_left() {
    // All of five reach the first on 80; the second does so on 81 too.
    let peers = peers(&[5]);
    let mut edges: Vec<_> = (1..5).map(|from| (from, 0, tcp(80, 80))).collect();
    edges[0].2 = tcp(80, 81);
    let graph = graph(&peers, &edges);
    let crowds = one_each(&graph);
    let first = NodeIndex::new(0);
    let told: Vec<_> = crowds.around(first, Direction::Incoming).iter().collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].who, Who::Everyone { outside: false });
    assert_eq!((&told[0].ports, told[0].but.len()), (&tcp(80, 80), 0));
    let left: Vec<_> = crowds.rest.values().collect();
    assert_eq!(left, [&tcp(81, 81)]);
}

#[test]
fn a_few_may_be_excepted_and_outside_is_said() {
    let peers = peers(&[5]);
    let edges: Vec<_> = [2, 3, 4, 5].map(|from| (from, 0, PortSet::everything())).into();
    let graph = graph(&peers, &edges);
    let crowds = one_each(&graph);
    let [crowd] = crowds.around(NodeIndex::new(0), Direction::Incoming) else {
        panic!("not one crowd");
    };
    assert_eq!(crowd.who, Who::Everyone { outside: true });
    assert_eq!(crowd.but, BTreeSet::from([NodeIndex::new(1)]));
    assert!(crowds.rest.is_empty());
}

#[test]
fn all_of_a_namespace_are_one() {
    let peers = peers(&[3, 9]);
    let edges: Vec<_> = (0..3).map(|from| (from, 5, tcp(1, 9))).collect();
    let graph = graph(&peers, &edges);
    let crowds = one_each(&graph);
    let [crowd] = crowds.around(NodeIndex::new(5), Direction::Incoming) else {
        panic!("not one crowd");
    };
    assert_eq!(crowd.who, Who::Namespace("ns-0".to_owned()));
    assert!(crowds.rest.is_empty());
}

#[test]
fn every_port_is_not_told_in_parts() {
    // Everyone reaches the first on 80, one of them on every port.
    let peers = peers(&[6]);
    let mut edges: Vec<_> = (1..6).map(|from| (from, 0, tcp(80, 80))).collect();
    edges[4].2 = PortSet::everything();
    let graph = graph(&peers, &edges);
    let rest = one_each(&graph).rest;
    assert_eq!(rest.values().collect::<Vec<_>>(), [&PortSet::everything()]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Crowds and the rest together say what the graph says: nothing is lost, and nothing made up.
    #[test]
    fn nothing_is_lost_or_made_up(
        namespaces in proptest::collection::vec(1..6usize, 1..4),
        dice in proptest::collection::vec(0..12u16, 400),
    ) {
        let peers = peers(&namespaces);
        let outside = peers.len() - 1;
        let mut dice = dice.into_iter();
        let mut edges = Vec::new();
        for (from, to) in (0..peers.len()).flat_map(|from| (0..peers.len()).map(move |to| (from, to))) {
            let ports = match dice.next() {
                _ if from == to || (from == outside && to == outside) => continue,
                Some(0..6) => tcp(80, 80),
                Some(6..8) => tcp(80, 90),
                Some(8) => PortSet::everything(),
                _ => continue,
            };
            edges.push((from, to, ports));
        }
        let graph = graph(&peers, &edges);
        let crowds = one_each(&graph);
        for (from, to) in graph.node_indices().flat_map(|from| graph.node_indices().map(move |to| (from, to))) {
            let mut told = crowds.rest.get(&(from, to)).cloned().unwrap_or_default();
            for (node, other, way) in [(to, from, Direction::Incoming), (from, to, Direction::Outgoing)] {
                for crowd in crowds.around(node, way).iter().filter(|crowd| crowd.holds(&graph, other)) {
                    told = told.or(&crowd.ports);
                }
            }
            if from != to {
                let edge = graph.find_edge(from, to).map(|edge| graph[edge].clone());
                prop_assert_eq!(told, edge.unwrap_or_default(), "{:?} → {:?}", from, to);
            }
        }
    }
}
