use super::super::card::Card;
use super::super::lines::Line;
use super::routes::Piece;
use super::*;
use crate::connectivity::PortSet;
use petgraph::visit::EdgeRef as _;
use proptest::prelude::*;

fn graph(boxes: usize, edges: &[(usize, usize)]) -> Sketch {
    let mut graph = Sketch::new();
    let nodes: Vec<_> = (0..boxes)
        .map(|at| {
            graph.add_node(Card {
                heading: "ns".to_owned(),
                names: vec![format!("workload-{at:03}")],
                ..Card::default()
            })
        })
        .collect();
    let line = Line {
        ports: PortSet::everything(),
        is_both_ways: false,
        pair: None,
    };
    for (from, to) in edges {
        graph.add_edge(nodes[*from], nodes[*to], line.clone());
    }
    graph
}

fn overlap(a: &Place, b: &Place) -> bool {
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

fn check(graph: &Sketch) -> Layout {
    let layout = of(graph);
    for (at, place) in layout.places.iter().enumerate() {
        assert!(place.x >= 0.0 && place.y >= 0.0, "{place:?}");
        assert!(place.x + place.width <= layout.width && place.y + place.height <= layout.height);
        assert!(
            layout.places[..at].iter().all(|other| !overlap(place, other)),
            "{at}"
        );
    }
    for edge in graph.edge_references() {
        let route = layout.routes[edge.id().index()].as_ref().unwrap();
        let (from, to) = (edge.source().index(), edge.target().index());
        let points = along(route);
        for (end, at) in [(from, points[0]), (to, points[points.len() - 1])] {
            assert!(is_on_side(&layout.places[end], at), "{at:?} is not on {end}");
        }
        for (other, place) in layout.places.iter().enumerate() {
            let inside = points.iter().find(|(x, y)| {
                *x > place.x && *x < place.x + place.width && *y > place.y && *y < place.y + place.height
            });
            assert_eq!(inside, None, "the line from {from} to {to} runs below {other}");
        }
        for (x, y) in points {
            assert!(x >= 0.0 && y >= 0.0 && x <= layout.width && y <= layout.height);
        }
    }
    layout
}

/// Points of a line, close enough to each other that no box fits between two.
fn along(route: &Route) -> Vec<Point> {
    let mut points = vec![route.start];
    for piece in &route.pieces {
        let from = points[points.len() - 1];
        points.extend((1..=100u8).map(|step| {
            let t = f64::from(step) / 100.0;
            match *piece {
                Piece::Straight(end) => (from.0 + (end.0 - from.0) * t, from.1 + (end.1 - from.1) * t),
                Piece::Bend(one, other, end) => on_bend(&[from, one, other, end], t),
            }
        }));
    }
    points
}

fn is_on_side(place: &Place, (x, y): Point) -> bool {
    (x == place.x || x == place.x + place.width) && y > place.y && y < place.y + place.height
}

#[test]
fn a_chain_runs_from_left_to_right() {
    let layout = check(&graph(4, &[(2, 1), (1, 0), (0, 3)]));
    let x = |node: usize| layout.places[node].x;
    assert!(x(2) < x(1) && x(1) < x(0) && x(0) < x(3));
}

#[test]
fn circles_and_crowds_have_room() {
    check(&graph(0, &[]));
    check(&graph(1, &[]));
    check(&graph(2, &[(0, 1), (1, 0)]));
    let everybody: Vec<_> = (0..40)
        .flat_map(|a| (0..40).map(move |b| (a, b)))
        .filter(|(a, b)| a != b)
        .collect();
    let layout = check(&graph(40, &everybody));
    let columns: std::collections::BTreeSet<_> = layout.places.iter().map(|place| place.x as u32).collect();
    assert_eq!(columns.len(), 5);
}

#[test]
fn a_line_over_several_columns_goes_around_what_stands_there() {
    // 0 → 1 → 2 → 3, and 0 → 3: the last has room kept for it in two columns, apart from the boxes there.
    let graph = graph(4, &[(0, 1), (1, 2), (2, 3), (0, 3)]);
    let layout = check(&graph);
    let long = layout.routes[3].as_ref().unwrap();
    let bends = |route: &Route| {
        route
            .pieces
            .iter()
            .filter(|piece| matches!(piece, Piece::Bend(..)))
            .count()
    };
    assert_eq!(bends(long), 3);
    assert_eq!(bends(layout.routes[0].as_ref().unwrap()), 1);
}

#[test]
fn lines_to_one_box_run_together_and_lines_from_one_box_begin_apart() {
    let layout = check(&graph(
        5,
        &[(0, 1), (1, 2), (2, 3), (0, 2), (0, 3), (4, 1), (4, 3)],
    ));
    let route = |edge: usize| layout.routes[edge].as_ref().unwrap();
    let starts = [route(0).start, route(3).start, route(4).start];
    assert!(
        starts[0] != starts[1] && starts[1] != starts[2] && starts[0] != starts[2],
        "{starts:?}"
    );
    let last = |edge: usize| *along(route(edge)).last().unwrap();
    assert_eq!(last(4), last(6));
}

#[test]
fn lines_there_and_back_are_two() {
    let layout = check(&graph(2, &[(0, 1), (1, 0)]));
    let [there, back] = [0, 1].map(|edge| layout.routes[edge].as_ref().unwrap());
    let end = |route: &Route| *along(route).last().unwrap();
    assert!(there.start != end(back) && back.start != end(there));
    // The one above the other on both sides, so that they do not cross.
    assert!((there.start.1 < end(back).1) == (end(there).1 < back.start.1));
}

#[test]
fn a_ring_is_unrolled_and_one_line_runs_back() {
    // Numbered so that no order of numbers unrolls it.
    let ring = [(0, 3), (3, 1), (1, 4), (4, 2), (2, 0)];
    let layout = check(&graph(5, &ring));
    let x = |node: usize| layout.places[node].x;
    let back = ring.iter().filter(|(from, to)| x(*from) > x(*to)).count();
    let within = ring.iter().filter(|(from, to)| x(*from) == x(*to)).count();
    assert_eq!((back, within), (1, 0));
}

#[test]
fn what_nobody_reaches_stands_beside_what_it_reaches() {
    let layout = check(&graph(5, &[(0, 1), (1, 2), (2, 3), (4, 3)]));
    assert_eq!(layout.places[4].x, layout.places[2].x);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is connected: no box on another, and no line below a box.
    #[test]
    fn no_line_runs_below_a_box(
        boxes in 1..36usize,
        pairs in proptest::collection::btree_set((0..36usize, 0..36usize), 0..120),
    ) {
        let edges: Vec<_> = pairs
            .into_iter()
            .filter(|(from, to)| from != to && *from < boxes && *to < boxes)
            .collect();
        check(&graph(boxes, &edges));
    }
}
