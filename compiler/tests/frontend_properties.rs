//! What holds for any input: no panic, spans that are the text, and the values that other readers see.
#![expect(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

use portcullis_compiler::diagnostic::report::Report;
use portcullis_compiler::diagnostic::{Repository, human, json};
use portcullis_compiler::fuzzing::splice;
use portcullis_compiler::fuzzing::tree::{agrees_with_libyaml, spans_are_the_text};
use portcullis_compiler::limits::Limits;
use portcullis_compiler::route::Route;
use portcullis_compiler::source::Source;
use portcullis_compiler::tree::scalar::resolve_plain;
use portcullis_compiler::tree::{self, Resolved};
use portcullis_compiler::{de, load};
use proptest::prelude::*;

const SEEDS: [&str; 4] = [
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: api # why\nspec:\n  podSelector: &s\n    matchLabels: {app: \"a\\tb\", 'x y': yes}\n  ingress:\n  - from:\n    - podSelector: *s\n    ports:\n    - {port: 010, endPort: 0x20, protocol: TCP}\n",
    "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: p, labels: &l {a: b}}\n  spec:\n    containers:\n    - name: c\n      ports: [{name: http, containerPort: 8080}]\n      args:\n      - |\n        two\n        lines\n      - >-\n        folded\n---\n<<: {a: 1}\nk: ~\n",
    "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"spec\":{\"replicas\":2,\"template\":{\"spec\":{\"hostNetwork\":true}}}}",
    "\u{feff}# é 漢\r\na: 'it''s'\r\n? - k\r\n: - v\r\n...\r\n%YAML 1.1\r\n---\r\n!t &x [*x, .inf, 1_0, \"\\u00e9\"]\r\n",
];

/// The findings of reading.
fn report<'a>(input: &'a load::Input, repository: &'a Repository) -> Report<'a> {
    Report {
        findings: &input.findings,
        sources: &input.sources,
        scope: json::Scope::default(),
        fail_on: None,
        successful: true,
        undecided: &[],
        repository,
    }
}

/// Loads, renders in every format, resolves every origin: none of it may panic or fail.
fn exercise(bytes: &[u8]) {
    let limits = Limits {
        bytes: 100_000,
        documents: 50,
        nodes: 5_000,
        expanded_nodes: 20_000,
        depth: 40,
    };
    let input = load::load_bytes([("input.yaml", bytes)], &limits);
    let mut out = Vec::new();
    human::write(
        &mut out,
        &input.findings,
        &input.sources,
        human::Options::default(),
    )
    .unwrap();
    json::write(&mut out, &report(&input, &Repository::default())).unwrap();
    for finding in &input.findings {
        for label in &finding.labels {
            let origin = &label.origin;
            assert!(origin.line >= 1 && origin.column >= 1);
            assert!((origin.end_line, origin.end_column) >= (origin.line, origin.column));
        }
    }
}

/// Edits to a seed: where (as a fraction), how much to cut, what to put there.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just(String::new()),
        prop::sample::select(vec![
            "\n",
            "\r",
            "\t",
            " ",
            ":",
            ": ",
            "- ",
            "-",
            "?",
            "? ",
            "[",
            "]",
            "{",
            "}",
            ",",
            "&a ",
            "*a",
            "<<: ",
            "!!str ",
            "!x ",
            "|\n",
            ">+1\n",
            "'",
            "\"",
            "\\",
            "#",
            " #",
            "---\n",
            "...\n",
            "%YAML 1.2\n",
            "\u{feff}",
            "é",
            "\u{0}",
            "\u{1b}[31m",
            "null",
            "yes",
            "010",
            "1e400",
            "{{ .x }}",
            "kind: Pod\n",
            "\u{2028}",
        ])
        .prop_map(str::to_owned),
    ];
    let edit = (0.0..1.0_f64, 0..12_usize, token);
    (
        prop::sample::select(SEEDS.to_vec()),
        prop::collection::vec(edit, 0..6),
    )
        .prop_map(|(seed, edits)| {
            let mut bytes = seed.as_bytes().to_vec();
            for (place, cut, token) in edits {
                splice(&mut bytes, place, cut, token.into_bytes());
            }
            bytes
        })
}

/// Documents whose every reader agrees: no string that YAML 1.1 and 1.2 read differently.
fn document() -> impl Strategy<Value = serde_json::Value> {
    let text = prop_oneof![
        "[a-zA-Z][a-zA-Z0-9./_-]{0,12}",
        "[ -~]{0,12}",
        "[ -~é漢\n\t]{0,16}",
    ]
    .prop_filter("means the same in YAML 1.1", |text: &String| {
        resolve_plain(text) == Resolved::String && text != "<<"
    });
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (-1_000_000_i32..1_000_000).prop_map(|n| (f64::from(n) / 64.0 + 0.5 / 64.0).into()),
        text.clone().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(text.clone(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn read_back(text: &str) -> serde_json::Value {
    let source = Source::new("input.yaml", text);
    let stream = tree::parse(&source, &Limits::default());
    assert_eq!(stream.faults, [], "{text}");
    assert_eq!(stream.documents.len(), 1, "{text}");
    let document = stream.documents.first().unwrap();
    let reading = de::read::<serde_json::Value>(document, document.root(), &Route::root());
    assert_eq!(reading.problems, [], "{text}");
    reading.value.unwrap()
}

/// What YAML is made of.
const TOKENS: [&str; 44] = [
    "a", "b", "- ", "-", ": ", ":", "? ", "?", "\n", "\n", "\n  ", "\n ", "\n- ", "\nb: ", "\r\n", " ", "  ",
    "\t", "[", "]", "{", "}", ",", ", ", "|\n", "|-\n ", ">\n  ", "|1\n  ", "'", "\"", "''", "\\", "#",
    " # c\n", "&a ", "*a", "*a ", "!!str ", "! ", "---\n", "\n---\n", "%", "@", "~",
];

/// The same with tabs everywhere.
const TABBED: [&str; 32] = [
    "a", "b", "- ", "-", ": ", ":", "? ", "?", "\n", "\n", "\n  ", "\n ", "\n- ", "\nb: ", " ", "\t", "\t",
    "\t", "\n\t", "\n \t", "\n  \t", "[", "]", ", ", "|\n", "|\n  c\n", "|1\n", "'", "\"c\"", "# c", "&a ",
    "\n---\n",
];

proptest! {
    #![proptest_config(ir::testing::cases(1000))]

    #[test]
    fn byte_soup_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        exercise(&bytes);
    }

    #[test]
    fn yaml_soup_never_panics(text in "[-a-c:?,\\[\\]{}&*!|>'\"%@#~<. \\n\\t\\r0-9é]{0,80}") {
        exercise(text.as_bytes());
        spans_are_the_text(&text);
    }

    #[test]
    fn mutated_manifests_never_panic(bytes in mutated()) {
        exercise(&bytes);
        if let Ok(text) = String::from_utf8(bytes) {
            spans_are_the_text(&text);
        }
    }

    #[test]
    fn libyaml_sees_the_same_in_soup(tokens in prop::collection::vec(prop::sample::select(TOKENS.to_vec()), 0..20)) {
        let text = tokens.concat();
        prop_assert_eq!(agrees_with_libyaml(&text), Ok(()), "{:?}", text);
    }

    #[test]
    fn libyaml_sees_the_same_in_tabbed_soup(tokens in prop::collection::vec(prop::sample::select(TABBED.to_vec()), 0..14)) {
        let text = tokens.concat();
        prop_assert_eq!(agrees_with_libyaml(&text), Ok(()), "{:?}", text);
    }

    #[test]
    fn libyaml_sees_the_same_in_mutated_manifests(bytes in mutated()) {
        if let Ok(text) = String::from_utf8(bytes) {
            prop_assert_eq!(agrees_with_libyaml(&text), Ok(()), "{:?}", text);
        }
    }

    #[test]
    fn yaml_and_json_read_as_their_writers_meant(value in document()) {
        prop_assert_eq!(&read_back(&serde_yaml::to_string(&value).unwrap()), &value);
        prop_assert_eq!(&read_back(&serde_json::to_string(&value).unwrap()), &value);
        prop_assert_eq!(&read_back(&serde_json::to_string_pretty(&value).unwrap()), &value);
    }

    #[test]
    fn any_number_of_threads_gives_the_same(texts in prop::collection::vec(mutated(), 1..8)) {
        let names: Vec<_> = (0..texts.len()).map(|index| format!("{index}.yaml")).collect();
        let run = |threads: usize, backwards: bool| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut files: Vec<_> = names.iter().map(String::as_str).zip(texts.iter().map(Vec::as_slice)).collect();
            if backwards {
                files.reverse();
            }
            let input = pool.install(|| load::load_bytes(files, &Limits::default()));
            let mut out = Vec::new();
            json::write(&mut out, &report(&input, &Repository::default())).unwrap();
            let objects: Vec<_> = input.objects.iter().map(|object| object.origin(&Route::root())).collect();
            (out, objects, input.skipped)
        };
        prop_assert_eq!(run(1, false), run(4, true));
    }
}
