//! What the tree says about small documents: structure, spans, faults, limits.

use super::*;
use crate::limits::Limits;
use crate::route;
use crate::source::Source;
use serde::Deserialize;

/// A document as text: `kind value @ slice` for every leaf, by route.
fn leaves(source: &Source, document: &Document) -> Vec<String> {
    fn walk(source: &Source, document: &Document, id: NodeId, route: &Route, out: &mut Vec<String>) {
        match &document.node(id).value {
            Value::Scalar(scalar) => {
                let slice = source.slice(document.node(id).span);
                out.push(format!(
                    "{route} = {:?} {:?} @ {slice:?}",
                    scalar.value(),
                    &*scalar.text
                ));
            }
            Value::Sequence(elements) => {
                for (index, &element) in elements.iter().enumerate() {
                    walk(source, document, element, &route.then(index), out);
                }
            }
            Value::Mapping(mapping) => {
                for entry in &mapping.entries {
                    walk(
                        source,
                        document,
                        entry.value,
                        &route.then(&*document.key_text(entry.key)),
                        out,
                    );
                }
            }
        }
    }
    let mut out = Vec::new();
    walk(source, document, document.root(), &Route::root(), &mut out);
    out
}

fn parse_text(text: &str) -> (Source, Stream) {
    let source = Source::new("test.yaml", text);
    let stream = parse(&source, &Limits::default());
    (source, stream)
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let (source, stream) = parse_text(text);
    assert_eq!(stream.faults, []);
    let found: Vec<_> = stream
        .documents
        .iter()
        .flat_map(|document| leaves(&source, document))
        .collect();
    assert_eq!(found, expected, "{text:?}");
}

#[test]
fn scalars_keep_their_text_their_meaning_and_their_place() {
    check(
        "a: 1\nb: '1'\nc: \"x\\ty\"\nd: yes\ne:\nf: ~\n",
        &[
            r#"a = Int(1) "1" @ "1""#,
            r#"b = String "1" @ "'1'""#,
            r#"c = String "x\ty" @ "\"x\\ty\"""#,
            r#"d = Bool(true) "yes" @ "yes""#,
            r#"e = Null "" @ """#,
            r#"f = Null "~" @ "~""#,
        ],
    );
    check(
        "a: |\n  one\n  two\n\nb: >-\n  x\n  y\n",
        &[
            r#"a = String "one\ntwo\n" @ "one\n  two""#,
            r#"b = String "x y" @ "x\n  y""#,
        ],
    );
    check("a: |\n  last", &[r#"a = String "last" @ "last""#]);
    check(
        "e: ß\r\nk: [ü,\t{x: 漢}]\r\n",
        &[
            r#"e = String "ß" @ "ß""#,
            r#"k[0] = String "ü" @ "ü""#,
            r#"k[1].x = String "漢" @ "漢""#,
        ],
    );
    check("\u{feff}a: !!str yes\n", &[r#"a = String "yes" @ "yes""#]);
    check(
        r#"{"a": [1, "b\/\ud83d\ude00", null, true]}"#,
        &[
            r#"a[0] = Int(1) "1" @ "1""#,
            r#"a[1] = String "b/😀" @ "\"b\\/\\ud83d\\ude00\"""#,
            r#"a[2] = Null "null" @ "null""#,
            r#"a[3] = Bool(true) "true" @ "true""#,
        ],
    );
    check(
        "a: 1\n---\n---\n# nothing\n--- # c\nx\n...\n",
        &[
            r#"a = Int(1) "1" @ "1""#,
            r#" = Null "" @ """#,
            r#" = Null "" @ """#,
            r#" = String "x" @ "x""#,
        ],
    );
}

#[test]
fn collections_end_with_their_last_value() {
    let text = "spec:\n  ports:\n  - port: 80\n    protocol: TCP\n\n  # more\n  to: [a, b]\n  last:\n    k: |\n      text\n\n\nnext: 1\n";
    let (source, stream) = parse_text(text);
    let document = &stream.documents[0];
    let slice = |route: Route| {
        source.slice(
            document
                .node(document.find(document.root(), &route).unwrap().value)
                .span,
        )
    };
    assert_eq!(slice(route!["spec", "ports"]), "- port: 80\n    protocol: TCP");
    assert_eq!(slice(route!["spec", "ports", 0]), "port: 80\n    protocol: TCP");
    assert_eq!(slice(route!["spec", "to"]), "[a, b]");
    assert_eq!(slice(route!["spec", "last"]), "k: |\n      text");
    assert!(slice(route!["spec"]).ends_with("text"));
    assert_eq!(document.find(document.root(), &route!["spec", "ports", 1]), None);
    assert_eq!(document.find(document.root(), &route!["spec", 0]), None);
}

#[test]
fn an_alias_leads_to_where_the_value_is_written() {
    let (source, stream) = parse_text("a: &x {b: 1}\nc: *x\nd: [*x, *x]\n");
    let document = &stream.documents[0];
    for route in [route!["a", "b"], route!["c", "b"], route!["d", 1, "b"]] {
        let found = document.find(document.root(), &route).unwrap();
        let at = source.position(document.span_of(found).start);
        assert_eq!((at.line, at.column), (1, 11), "{route}");
    }
    let d = document.find(document.root(), &route!["d"]).unwrap();
    assert_eq!(source.slice(document.node(d.value).span), "[*x, *x]");
    let root = document.node(document.root()).span;
    assert_eq!(source.slice(root), "a: &x {b: 1}\nc: *x\nd: [*x, *x]");
}

#[test]
fn merge_keys_expand_as_kubernetes_reads_them() {
    // An explicit key behind `<<` wins; of a list, the earlier mapping wins; nested merges arrive expanded.
    check(
        "a: &a {x: 1, w: 1}\nb: &b {w: 2, z: 2}\nc: {<<: [*a, *b], z: 3}\nd: &d {<<: *a}\ne: {<<: *d, w: 5}\n",
        &[
            r#"a.x = Int(1) "1" @ "1""#,
            r#"a.w = Int(1) "1" @ "1""#,
            r#"b.w = Int(2) "2" @ "2""#,
            r#"b.z = Int(2) "2" @ "2""#,
            r#"c.x = Int(1) "1" @ "1""#,
            r#"c.w = Int(1) "1" @ "1""#,
            r#"c.z = Int(3) "3" @ "3""#,
            r#"d.x = Int(1) "1" @ "1""#,
            r#"d.w = Int(1) "1" @ "1""#,
            r#"e.x = Int(1) "1" @ "1""#,
            r#"e.w = Int(5) "5" @ "5""#,
        ],
    );
    // Quoted, it is a key like any other.
    check("\"<<\": {a: 1}\n", &[r#"["<<"].a = Int(1) "1" @ "1""#]);
}

#[test]
fn keys_without_one_meaning_are_faults() {
    let faults = |text: &str| {
        let (source, stream) = parse_text(text);
        let document = &stream.documents[0];
        let slice = |id: NodeId| {
            let span = document.node(id).span;
            format!("{}@{}", source.slice(span), source.position(span.start).line)
        };
        let faults = document.faults(document.root());
        let faults: Vec<_> = faults
            .iter()
            .map(|fault| match *fault {
                MappingFault::Duplicate { first, second } => {
                    format!("twice {} {}", slice(first), slice(second))
                }
                MappingFault::MergeOrder { explicit, merged } => {
                    format!("order {} {}", slice(explicit), slice(merged))
                }
                MappingFault::MergeOfScalar(value) => format!("merge {}", slice(value)),
                MappingFault::NotText(key) => format!("key {}", slice(key)),
            })
            .collect();
        faults
    };
    assert_eq!(
        faults("a: 1\nb: 2\n\"a\": 3\na: 4\n"),
        ["twice a@1 \"a\"@3", "twice a@1 a@4"]
    );
    // The keys `8` and `010` are one key in JSON, and so are `true` and `yes`.
    assert_eq!(
        faults("8: a\n010: b\ntrue: c\nyes: d\n"),
        ["twice 8@1 010@2", "twice true@3 yes@4"]
    );
    assert_eq!(faults("x: &x {a: 1}\na: 2\n<<: *x\n"), ["order a@2 a@1"]);
    assert_eq!(faults("x: &x {a: 1}\n<<: *x\n<<: {b: 1}\n"), ["twice <<@2 <<@3"]);
    assert_eq!(faults("<<: text\n"), ["merge text@1"]);
    assert_eq!(faults("<<: [{a: 1}, text]\n"), ["merge [{a: 1}, text]@1"]);
    assert_eq!(
        faults("? [a]\n: 1\n~: 2\n!x k: 3\n"),
        ["key [a]@1", "key ~@3", "key k@4"]
    );
    assert!(faults("a: 1\nb: 2\n").is_empty());
}

#[test]
fn comments_stay_with_their_lines() {
    let (source, stream) =
        parse_text("# top\na: 1 # trailing\nb:\n  # above\n  - x\n---\n# second\nc: \"# not one\"\n");
    let comments: Vec<Vec<_>> = stream
        .documents
        .iter()
        .map(|document| {
            let comments = document.comments.iter();
            comments
                .map(|comment| (source.slice(comment.span), comment.placement))
                .collect()
        })
        .collect();
    use Placement::{OwnLine, Trailing};
    assert_eq!(
        comments,
        [
            vec![("# top", OwnLine), ("# trailing", Trailing), ("# above", OwnLine)],
            vec![("# second", OwnLine)],
        ]
    );
}

#[test]
fn a_broken_document_does_not_hide_the_next() {
    for broken in [
        "a: [1",
        "a: *nowhere",
        "a: \"x",
        "a: b: c",
        "a:\n\tb: 1",
        "a: &a [*a]",
        "- a\nb: 1",
    ] {
        let (_, stream) = parse_text(&format!("ok: 1\n---\n{broken}\n---\nok: 2\n"));
        assert_eq!(stream.faults.len(), 1, "{broken:?} {:?}", stream.faults);
        assert_eq!(stream.faults[0].document, 1, "{broken:?}");
        let indices: Vec<_> = stream.documents.iter().map(|document| document.index).collect();
        assert_eq!(indices, [0, 2], "{broken:?}");
    }
}

#[test]
fn what_kubernetes_reads_differently_is_a_fault() {
    let faults = |text: &str| {
        let (source, stream) = parse_text(text);
        let faults = stream.faults.iter();
        let faults: Vec<_> = faults
            .map(|fault| (source.position(fault.span.start).line, fault.kind.clone()))
            .collect();
        faults
    };
    assert_eq!(faults("--- # first\na: 1\n---   \nb: 1\n...\n---\nc: 1\n"), []);
    assert_eq!(faults("a: 1\n...\nb: 1\n"), [(3, StreamFaultKind::Boundary)]);
    assert_eq!(faults("a: 1\n--- {b: 1}\n"), [(2, StreamFaultKind::Boundary)]);
    assert_eq!(faults("--- text\n"), [(1, StreamFaultKind::Boundary)]);
    let hidden = "a: 1\n# a comment\u{2028}kind: NetworkPolicy\n";
    assert_eq!(
        faults(hidden),
        [(2, StreamFaultKind::AmbiguousCharacter('\u{2028}'))]
    );
    let joined = "# c\n\u{feff}---\nb: 1\n";
    assert_eq!(
        faults(joined),
        [(2, StreamFaultKind::AmbiguousCharacter('\u{feff}'))]
    );
    assert_eq!(
        faults("a: 1\rb: 1\r\n"),
        [(1, StreamFaultKind::AmbiguousCharacter('\r'))]
    );
    for (text, line) in [
        ("a: b\n---\n|\nc\n", 4),
        (">-\n# c\n", 2),
        ("a: {b\n  c: d}\n", 1),
        ("a: {\n \"b\n c\": d}\n", 2),
        ("a: {b\n  : c}\n", 1),
        ("a: {b:}\n", 1),
        ("a: {b: c,\n d:, e: f}\n", 2),
        ("a: [b:]\n", 1),
        ("a: {b :}\n", 1),
        ("a: {\n &x\n  b: c}\n", 3),
        ("a: {!!str\n  b: c}\n", 2),
        ("a: {b\n # c\n : d}\n", 1),
    ] {
        let found = faults(text);
        assert!(
            matches!(found.as_slice(), [(at, StreamFaultKind::Syntax(_))] if *at == line),
            "{text:?}: {found:?}"
        );
    }
    assert_eq!(faults("--- |\n a\n"), [(1, StreamFaultKind::Boundary)]);
    assert_eq!(faults("|\n a\n"), []);
    assert_eq!(faults("a: {b\n  c}\n"), []);
    assert_eq!(faults("a: {b: , \"c\":, d:e}\n"), []);
    assert_eq!(faults("{\"a\"\n: 1}\n"), []);
    assert_eq!(faults("a: {&x !!str b: c, \"d\" :}\n"), []);
    assert_eq!(faults("a: {? b\n  c\n : d, e: f\n g}\n"), []);
    assert_eq!(faults("{\"a\": \"x\u{2028}y\",\r\"b\": 1}"), []);
    assert_eq!(
        faults("{\"a\": 1,\u{2028}\"b\": 1}"),
        [(1, StreamFaultKind::AmbiguousCharacter('\u{2028}'))]
    );
}

#[test]
fn limits_hold() {
    let limits = Limits {
        bytes: 1000,
        documents: 3,
        nodes: 50,
        expanded_nodes: 100,
        depth: 5,
    };
    let faults = |text: &str| {
        let stream = parse(&Source::new("test.yaml", text), &limits);
        let kinds: Vec<_> = stream.faults.into_iter().map(|fault| fault.kind).collect();
        (stream.documents.len(), kinds)
    };
    let limit = |what: &'static str, bound: u64| vec![StreamFaultKind::Limit(what, bound)];
    assert_eq!(faults("[[[[[1]]]]]\n").1, []);
    assert_eq!(
        faults("[[[[[[1]]]]]]\n---\na: 1\n"),
        (1, limit("levels of nesting", 5))
    );
    assert_eq!(
        faults("a:\n b:\n  c:\n   d:\n    e:\n     f: 1\n").1,
        limit("levels of nesting", 5)
    );
    assert_eq!(
        faults("a: &a [[[1]]]\nb: [[*a]]\n").1,
        limit("levels of nesting", 5)
    );
    assert_eq!(faults("1\n---\n2\n---\n3\n").1, []);
    assert_eq!(
        faults("1\n---\n2\n---\n3\n---\n4\n"),
        (3, limit("documents in a file", 3))
    );
    assert_eq!(faults(&"- 1\n".repeat(60)).1, limit("nodes in a document", 50));
    assert_eq!(faults(&"#".repeat(2000)).1, limit("bytes in a file", 1000));
    let laughs = "a: &a [1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b]\n";
    assert_eq!(faults(laughs).1, limit("nodes after expanding aliases", 100));
    let merges = "a: &a {a: 1, b: 1, c: 1, d: 1}\nb: &b {<<: *a, e: 1, f: 1}\n";
    let merges = format!("{merges}c:\n{}", "- {<<: *b}\n".repeat(15));
    let kinds = faults(&merges).1;
    assert!(
        matches!(
            &*kinds,
            [StreamFaultKind::Limit("nodes after expanding aliases", 100)]
        ),
        "{kinds:?}"
    );
}

#[test]
fn what_is_not_yaml_is_pointed_at() {
    for (text, wrong) in [
        ("spec:\n\tpodSelector: {}\n", "\t"),
        ("spec: *nothing # c\n", "*nothing"),
        ("spec: [*nothing, a]\n", "*nothing"),
        ("a: b: c\n", ":"),
    ] {
        let (source, stream) = parse_text(text);
        let at = stream.faults.first().unwrap().span;
        assert_eq!(source.slice(at), wrong, "{text:?}");
    }
}

/// Tabs are taken where go-yaml takes them: each text with the tabs that are refused in it. libyaml, of which go-yaml is a
/// port, is asked too.
#[test]
fn tabs_are_taken_where_kubernetes_takes_them() {
    for (text, refused) in [
        // Behind something on the line.
        ("a:\tb\n", None),
        ("a :\tb\n", None),
        ("a: b\t\n", None),
        ("a: b\t# c\n", None),
        ("a: \"b\"\t# c\n", None),
        ("a:\t\n  b: c\n", None),
        ("a: !!str\tb\n", None),
        ("a: &a\tb\n", None),
        ("- a\t\n- b\n", None),
        ("---\t# c\na: b\n", None),
        // Where a key could begin.
        ("\ta: b\n", Some(0)),
        ("  \ta: b\n", Some(2)),
        ("a:\n  \tb: c\n", Some(5)),
        ("a:\n  \t- b\n", Some(5)),
        ("a:\n  \tb\n", Some(5)),
        ("-\ta\n", Some(1)),
        ("- \ta\n", Some(2)),
        ("- \t# c\n  a\n", Some(2)),
        ("- -\ta\n", Some(3)),
        ("?\ta\n", Some(1)),
        ("? a\n:\tb\n", Some(5)),
        // Nothing but blanks or a comment follows.
        ("\t\na: b\n", Some(0)),
        ("# c\n\t# d\na: b\n", Some(4)),
        ("a:\n  \t\n  b: c\n", Some(5)),
        ("a: \"b\"\n  \t\nc: d\n", Some(9)),
        ("a: \"b\"\n\t# c\n", Some(7)),
        ("a: \"b\"\n\t", Some(7)),
        ("a: [b]\n \t\n", Some(8)),
        ("a: b # c\n \t\nd: e\n", Some(10)),
        ("a: \"b\"\n---\n\t\nc: d\n", Some(11)),
        ("{a: b}\n\t\n", Some(7)),
        ("\t{a: b}\n", Some(0)),
        ("a: \"b\"\n...\n\t# c\n", Some(11)),
        // A plain scalar takes blanks that stand further in than what is around it.
        ("a: b\n  \t\nc: d\n", None),
        ("a: b\n \t# c\nd: e\n", None),
        ("a: b\n \tc\n", None),
        ("a: b\n\t\nc: d\n", Some(5)),
        ("a: b\n\n\t# c\nd: e\n", Some(6)),
        ("a:\n - b\n  \t\n", None),
        ("a:\n - b\n \t\n", Some(9)),
        ("- a: b\n   \t\n  c: d\n", None),
        ("- a: b\n  \t\n  c: d\n", Some(9)),
        ("- &x a: b\n   \t\n  c: d\n", None),
        ("- !!str a: b\n  \t\n  c: d\n", Some(15)),
        ("a\n\tb\n", None),
        // In brackets.
        ("a: [\n \tb,\n \tc,\t\n \t]\n", None),
        ("a: {\n \tb: c,\n \t}\n", None),
        ("[\n\tb,\n\tc,\t\n\t]\n", None),
        ("a: [b\n\t]\n", Some(4)),
        ("a: [b\n \t]\n", None),
        ("[b\n\t]\n", None),
        ("a: [\"b\"\n\t# c\n]\n", None),
        // In quotes.
        ("a: \"b\n\tc\"\n", None),
        ("a: 'b\n\t\n\tc\t'\n", None),
        // In block scalars: text behind the indentation.
        ("a: |\t# c\n  b\n", None),
        ("a: |\n  b\n  \tc\n", None),
        ("a: |\n  b\t\n", None),
        ("a: |\n  b\n  \t\n", None),
        ("a: |2\n  \tb\n", None),
        ("a: |1-\n \tb\n", None),
        ("- a: |1\n   \tb\n", None),
        ("a: |\n  \tb\n", Some(7)),
        ("a: |\n \t\n  b\n", Some(6)),
        ("a: |\n  b\n \t\n", Some(10)),
        ("a: >-\n  b\n\t# c\n", Some(10)),
        ("a: |\n  b\n\n\t\nc: d\n", Some(10)),
        ("- a: |1\n  \tb\n", Some(10)),
        ("a: |\n\n  |\n\t\n", Some(10)),
        ("a: |\n\t\n", Some(3)),
        ("a: |+ # | #\nb: |\n  \t\n", Some(19)),
        ("a | b: > # c | #\n  c\n  \td\n", None),
    ] {
        let (_, stream) = parse_text(text);
        let fault = stream.faults.first();
        let at = fault.map(|fault| fault.span.start as usize);
        assert_eq!(at, refused, "{text:?}: {fault:?}");
        assert!(fault.is_none_or(|fault| matches!(fault.kind, StreamFaultKind::Syntax(_))));
        let theirs: Result<Vec<serde_yaml::Value>, _> = serde_yaml::Deserializer::from_str(text)
            .map(serde_yaml::Value::deserialize)
            .collect();
        assert_eq!(theirs.is_ok(), refused.is_none(), "{text:?}: {theirs:?}");
    }
    // Kubernetes reads JSON as JSON.
    assert_eq!(parse_text("\t{\"a\":\t1}\n\t\n").1.faults, []);
}

#[test]
fn tabs_are_refused_also_where_no_further_document_is_allowed() {
    let limits = Limits {
        documents: 1,
        ..Limits::default()
    };
    for (text, refused) in [
        ("a: \"b\"\n\t\nc: d\n", Some(7)),
        ("a: \"b\"\n\t\n", Some(7)),
        ("a: [b]\n...\n# c\n\t# d\n", Some(15)),
        ("-\ta\n", Some(1)),
        ("a: \"b\"\t\n", None),
        ("a: \"b\"\n# -\tc\n", None),
        ("a: \"b\"\n...\n#\n# -\tc\n", None),
        ("\t{\"a\":\t1}\n\t\n", None),
    ] {
        let stream = parse(&Source::new("test.yaml", text), &limits);
        let at: Vec<_> = stream.faults.iter().map(|fault| fault.span.start).collect();
        assert_eq!(at, Vec::from_iter(refused), "{text:?}: {:?}", stream.faults);
    }
}

/// So many that looking at all of a line again for each of them would take hours.
#[test]
fn many_tabs_on_a_line_are_read() {
    let tabs = "\t".repeat(1_000_000);
    for text in [
        format!("name: a{tabs}"),
        format!("name: a{tabs}\n"),
        format!("name: a\n {tabs}\nb: c\n"),
        format!("name: \"a\"{tabs}"),
        format!("name: \"a\"{tabs}\n"),
        format!("name: \"a\"\n# {tabs}\n"),
        format!("name: \"a\" #{}\n", "\tb".repeat(500_000)),
    ] {
        assert_eq!(parse_text(&text).1.faults, []);
    }
    for (text, refused) in [
        (format!("name: \"a\"{tabs}\n {tabs}\n"), 1_000_011),
        (format!("name: a\n{tabs}\nb: c\n"), 8),
    ] {
        let (_, stream) = parse_text(&text);
        let span = stream.faults.first().unwrap().span;
        assert_eq!(span, Span::new(refused, refused + 1_000_000));
    }
}

/// So many that asking for each of them whether the whole text is JSON would take hours.
#[test]
fn many_keys_of_json_may_be_split() {
    let object = "{\"a\"\n:\t1}";
    let text = format!("{{\"b\": [{object}{}]}}\n", format!(", {object}").repeat(100_000));
    assert_eq!(parse_text(&text).1.faults, []);
}

#[test]
fn values_are_the_same_however_they_are_written() {
    let same = |one: &str, other: &str| {
        let [one, other] = [one, other].map(|text| parse(&Source::new("a", text), &Limits::default()));
        let (one, other) = (&one.documents[0], &other.documents[0]);
        same((one, one.root()), (other, other.root()))
    };
    for (one, other, expected) in [
        ("{a: 1, b: [x, 'z']}", "b:\n- x\n- z\na: 1\n", true),
        ("a: y", "a: 'y'", false),
        ("a: &x {b: 1}\nc: *x\n", "a: {b: 1}\nc: {b: 1}\n", true),
        ("a: 1", "a: '1'", false),
        ("a: 1", "a: 2", false),
        ("a: [1, 2]", "a: [2, 1]", false),
        ("a: 1", "a: 1\nb: 2", false),
        ("a: {}", "a: []", false),
    ] {
        assert_eq!(same(one, other), expected, "{one:?} {other:?}");
        assert_eq!(same(other, one), expected, "{other:?} {one:?}");
    }
}
