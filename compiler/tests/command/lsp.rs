//! `portcullis lsp`, as an editor meets it. Nothing here waits for time to pass.

use crate::editor::{Editor, uri};
use crate::program::{EXAMPLE, ROOT, Scratch};
use lsp_server::{Request, Response};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;

/// Where the `nth` occurrence of a text begins, in lines and UTF-16 units.
fn find(text: &str, needle: &str, nth: usize) -> Value {
    let (at, _) = text.match_indices(needle).nth(nth).unwrap();
    position(text, at)
}

fn position(text: &str, at: usize) -> Value {
    let before = &text[..at];
    let line = before.matches('\n').count();
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    json!({"line": line, "character": before[start..].encode_utf16().count()})
}

fn codes(diagnostics: &[Value]) -> Vec<&str> {
    let codes = diagnostics.iter();
    codes
        .map(|diagnostic| diagnostic["code"].as_str().unwrap())
        .collect()
}

/// How many lines a diagnostic underlines.
fn lines(diagnostic: &Value) -> u64 {
    let line = |end: &str| diagnostic["range"][end]["line"].as_u64().unwrap();
    line("end") - line("start") + 1
}

/// The example, where it can be changed.
fn example(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    for entry in fs::read_dir(Path::new(ROOT).join(EXAMPLE)).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        scratch.file(path.file_name().unwrap().to_str().unwrap(), &text);
    }
    scratch
}

#[test]
fn a_session_from_the_first_word_to_the_last() {
    let scratch = example("lsp session");
    let policies = scratch.0.join("policies.yaml");
    let catalog = scratch.0.join("catalog.yaml");
    let text = fs::read_to_string(&policies).unwrap();
    let mut editor = Editor::open(&scratch.0);
    editor.did_open(&policies, &text);

    // Findings, with their pages and the places in other files.
    let found = editor.diagnostics_of(&policies, 1);
    let collision = found
        .iter()
        .find(|one| one["code"] == "PC201" && one["severity"] == 2)
        .unwrap();
    assert_eq!(collision["source"], "portcullis");
    let href = collision["codeDescription"]["href"].as_str().unwrap();
    assert!(href.ends_with("/docs/rules/PC201.md"), "{href}");
    let related = collision["relatedInformation"].as_array().unwrap();
    assert!(
        related.iter().all(|one| one["location"]["uri"] == *uri(&catalog)),
        "{related:?}"
    );
    assert_eq!(related.len(), 2);
    let message = collision["message"].as_str().unwrap();
    let row = message.lines().find(|line| line.contains("80/TCP")).unwrap();
    assert!(row.ends_with("  catalog.yaml:24"), "{message}");
    // The solver's follow.
    let found = editor.diagnostics(&policies, |params| params.to_string().contains("PC302"));
    let redundant = found.iter().find(|one| one["code"] == "PC302").unwrap();
    assert_eq!(redundant["tags"], json!([1]));
    assert!(lines(redundant) > 1, "{redundant:#}");

    // What a port name means, and where that is said.
    let port = find(&text, "port: http\n", 0);
    let hover = editor.at("textDocument/hover", &policies, port.clone());
    let shown = hover["contents"]["value"].as_str().unwrap();
    assert!(
        shown.contains("Port name **http**") && shown.contains("8080/TCP") && shown.contains("| 80/TCP   |"),
        "{shown}"
    );
    let found = editor.at("textDocument/definition", &policies, port);
    let catalog_text = fs::read_to_string(&catalog).unwrap();
    let lines: Vec<&Value> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["range"]["start"]["line"])
        .collect();
    let defined = [0, 1].map(|nth| find(&catalog_text, "name: http", nth)["line"].clone());
    assert_eq!(lines, [&defined[0], &defined[1]]);

    // And back, from a file that is not open.
    let name = find(&catalog_text, "name: http", 0);
    let found = editor.at("textDocument/references", &catalog, name);
    let files: Vec<&str> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["uri"].as_str().unwrap())
        .collect();
    assert!(
        files.contains(&uri(&policies).as_str()) && files.contains(&uri(&catalog).as_str()),
        "{files:?}"
    );

    // What a selector selects: the policy's pods, and a peer's.
    let frontend = text.find("name: frontend").unwrap();
    let subject = frontend + text[frontend..].find("podSelector").unwrap();
    let hover = editor.at("textDocument/hover", &policies, position(&text, subject));
    let shown = hover["contents"]["value"].as_str().unwrap();
    assert!(
        shown.starts_with("This policy selects 1 pod:") && shown.contains("shop/frontend"),
        "{shown}"
    );
    let peer = frontend + text[frontend..].find("app: catalog").unwrap();
    let hover = editor.at("textDocument/hover", &policies, position(&text, peer));
    let shown = hover["contents"]["value"].as_str().unwrap();
    assert!(
        shown.starts_with("This peer selects 2 pods:") && shown.contains("shop/catalog"),
        "{shown}"
    );
    assert_eq!(
        editor.at(
            "textDocument/hover",
            &policies,
            json!({"line": 1, "character": 3})
        ),
        Value::Null
    );

    // A mistake that is typed, shown, and mended by an action.
    let word = text[frontend..].find("podSelector").unwrap() + frontend;
    let range = json!({"start": position(&text, word), "end": position(&text, word + "podSelector".len())});
    editor.did_change(&policies, 2, json!([{"range": range, "text": "podSelecter"}]));
    let found = editor.diagnostics_of(&policies, 2);
    assert!(codes(&found).contains(&"PC102"), "{found:?}");
    let actions = editor.actions(&policies, &range);
    let action = actions
        .iter()
        .find(|action| action["title"] == "PC102: write `podSelector`")
        .unwrap();
    assert_eq!(
        (&action["kind"], &action["isPreferred"]),
        (&json!("quickfix"), &json!(true))
    );
    let change = &action["edit"]["documentChanges"][0];
    assert_eq!(
        change["textDocument"],
        json!({"uri": uri(&policies), "version": 2})
    );
    let edit = &change["edits"][0];
    assert_eq!(
        (&edit["range"], &edit["newText"]),
        (&range, &json!("podSelector"))
    );
    editor.did_change(
        &policies,
        3,
        json!([{"range": edit["range"], "text": edit["newText"]}]),
    );
    let found = editor.diagnostics_of(&policies, 3);
    assert!(
        codes(&found).contains(&"PC201") && !codes(&found).contains(&"PC102"),
        "{found:?}"
    );
    assert_eq!(editor.close(), 0);
}

#[test]
fn what_spans_lines_is_underlined_on_the_first() {
    let scratch = example("lsp lines");
    let policies = scratch.0.join("policies.yaml");
    let text = fs::read_to_string(&policies).unwrap();
    let text = text.replacen("port: http\n", "port: htpp\n", 1);
    let mut editor = Editor::open(&scratch.0);
    editor.did_open(&policies, &text);
    let found = editor.diagnostics(&policies, |params| params.to_string().contains("PC306"));
    let half_open = found.iter().find(|one| one["code"] == "PC306").unwrap();
    assert_eq!(lines(half_open), 1, "{half_open:#}");
    let start = &half_open["range"]["start"];
    let line = text
        .lines()
        .nth(start["line"].as_u64().unwrap() as usize)
        .unwrap();
    assert!(line.ends_with("podSelector:"), "{line}");
    assert_eq!(half_open["range"]["end"]["character"], json!(line.len()));
    assert_eq!(editor.close(), 0);
}

const REFERENCES: &str = "\
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  egress:
    - toCIDRSet: [{cidrGroupRef: partners}]
    - toServices: [{k8sService: {serviceName: store}}]
  ingress:
    - toPorts: [{ports: [{port: htpp}]}]
---
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: {name: partners}
spec: {externalCIDRs: [192.0.2.0/24]}
---
apiVersion: v1
kind: Service
metadata: {name: store, namespace: elsewhere}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: store, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {containers: [{name: main, image: api, ports: [{name: http, containerPort: 8080}]}]}
";

#[test]
fn references_lead_to_their_objects_and_suggestions_are_offered_as_such() {
    let scratch = Scratch::new("lsp-references");
    let file = scratch.0.join("all.yaml");
    let mut editor = Editor::open(&scratch.0);
    editor.did_open(&file, REFERENCES);
    let found = editor.diagnostics_of(&file, 1);
    for (from, to) in [
        ("partners}]", "{name: partners}"),
        ("store}}]", "{name: store, namespace: shop}"),
    ] {
        let places = editor.at("textDocument/definition", &file, find(REFERENCES, from, 0));
        let line = find(REFERENCES, to, 0)["line"].clone();
        assert_eq!(places.as_array().unwrap().len(), 1, "{from}: {places}");
        assert_eq!(places[0]["range"]["start"]["line"], line, "{from}");
    }
    let misspelt = found.iter().find(|one| one["code"] == "PC204").unwrap();
    let actions = editor.actions(&file, &misspelt["range"]);
    let renaming = actions
        .iter()
        .find(|action| action["title"] == "PC204: write `http` (a suggestion)")
        .unwrap();
    assert_eq!(renaming["isPreferred"], false);
    // One pod, and what it does not define.
    let hover = editor.at("textDocument/hover", &file, find(REFERENCES, "htpp", 0));
    let shown = hover["contents"]["value"].as_str().unwrap();
    assert!(
        shown.contains("No pod that the rule reaches defines it."),
        "{shown}"
    );
    assert_eq!(editor.close(), 0);
}

const BOTH: &str = "\
apiVersion: networking.k8s.io/v1\r
kind: NetworkPolicy\r
metadata: {name: one, namespace: shop}\r
spec: {podSelector: {}}\r
---\r
apiVersion: networking.k8s.io/v1\r
kind: NetworkPolicy\r
metadata: {name: two, namespace: shop, annotations: {note: '😀😀'}, labels: {public: yes}}\r
spec:\r
  podSelector: {}\r
  ingress: [{}]\r
  egress: [{}]\r
";

#[test]
fn positions_count_utf16_in_every_document_and_whatever_ends_a_line() {
    let scratch = Scratch::new("lsp-units");
    let file = scratch.0.join("both.yaml");
    let mut editor = Editor::open(&scratch.0);
    editor.did_open(&file, BOTH);
    let found = editor.diagnostics_of(&file, 1);
    let boolean = found.iter().find(|one| one["code"] == "PC115").unwrap();
    let start = find(BOTH, "yes}", 0);
    assert_eq!(boolean["range"]["start"], start);
    let actions = editor.actions(&file, &boolean["range"]);
    let edit = &actions[0]["edit"]["documentChanges"][0]["edits"][0];
    assert_eq!(
        (&edit["newText"], &edit["range"]["start"]),
        (&json!("\"yes\""), &start)
    );
    // An edit behind the characters of two units each, in front of a line's end.
    let end = find(BOTH, "}}\r", 0);
    editor.did_change(
        &file,
        2,
        json!([
            {"range": edit["range"], "text": edit["newText"]},
            {"range": {"start": end, "end": end}, "text": ""},
        ]),
    );
    let found = editor.diagnostics_of(&file, 2);
    let omitted = found.iter().find(|one| one["code"] == "PC607").unwrap();
    let actions = editor.actions(&file, &omitted["range"]);
    let edit = &actions[0]["edit"]["documentChanges"][0]["edits"][0];
    assert_eq!(edit["newText"], "policyTypes: [Ingress, Egress]\r\n  ");
    assert_eq!(edit["range"]["start"], edit["range"]["end"]);
    assert_eq!(edit["range"]["start"], json!({"line": 11, "character": 2}));
    // All that is safe, at once.
    let all = editor.request(
        "textDocument/codeAction",
        json!({
            "textDocument": {"uri": uri(&file)},
            "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}},
            "context": {"diagnostics": [], "only": ["source.fixAll"]},
        }),
    );
    assert_eq!(all[0]["kind"], "source.fixAll.portcullis");
    assert_eq!(editor.close(), 0);
}

#[test]
fn what_cannot_be_read_hides_nothing_else() {
    let scratch = example("lsp-broken");
    let policies = scratch.0.join("policies.yaml");
    let frontend = scratch.0.join("frontend.yaml");
    let text = fs::read_to_string(&frontend).unwrap();
    scratch.file(
        "templates/broken.yaml",
        "kind: ConfigMap\na: {{ .Values.x }\n- [\n",
    );
    let mut editor = Editor::open(&scratch.0);
    // A template that never could be read is shown, and left out.
    let broken = scratch.0.join("templates/broken.yaml");
    let found = editor.diagnostics(&broken, |_| true);
    assert_eq!(codes(&found), ["PC101"]);
    let found = editor.diagnostics(&policies, |params| params.to_string().contains("PC201"));
    assert!(!found.is_empty());
    // While it is typed, a manifest counts as it was.
    editor.did_open(&frontend, &text);
    editor.diagnostics_of(&frontend, 1);
    editor.did_change(&frontend, 2, json!([{"text": format!("{text}\n  [")}]));
    let found = editor.diagnostics_of(&frontend, 2);
    assert!(codes(&found).contains(&"PC101"), "{found:?}");
    let policies_text = fs::read_to_string(&policies).unwrap();
    let port = find(&policies_text, "port: http\n", 0);
    let hover = editor.at("textDocument/hover", &policies, port);
    assert!(hover.to_string().contains("8080"), "{hover}");
    editor.did_change(&frontend, 3, json!([{"text": text}]));
    let found = editor.diagnostics_of(&frontend, 3);
    assert!(!codes(&found).contains(&"PC101"), "{found:?}");
    assert_eq!(editor.close(), 0);
}

#[test]
fn files_come_and_go_and_the_configuration_counts() {
    let scratch = example("lsp-files");
    let policies = scratch.0.join("policies.yaml");
    let mut editor = Editor::open(&scratch.0);
    editor.diagnostics(&policies, |params| params.to_string().contains("PC201"));
    // An error by the configuration.
    let config = scratch.file("portcullis.toml", "[severity]\nPC201 = \"error\"\n");
    let changed = |path: &Path, kind: i32| json!({"changes": [{"uri": uri(path), "type": kind}]});
    editor.notify("workspace/didChangeWatchedFiles", changed(Path::new(&config), 1));
    editor.diagnostics(&policies, |params| {
        let mut found = params["diagnostics"].as_array().unwrap().iter();
        found.any(|one| one["code"] == "PC201" && one["severity"] == 1)
    });
    // One that is wrong is told where it is, and nothing of it counts.
    scratch.file("portcullis.toml", "severty = 1\n");
    editor.notify("workspace/didChangeWatchedFiles", changed(Path::new(&config), 2));
    let found = editor.diagnostics(Path::new(&config), |_| true);
    assert_eq!(
        (codes(&found), &found[0]["range"]["start"]),
        (vec!["PC126"], &json!({"line": 0, "character": 0}))
    );
    fs::remove_file(&config).unwrap();
    // Renamed, the same is found elsewhere; the old name is cleared.
    let renamed = scratch.0.join("renamed.yaml");
    fs::rename(&policies, &renamed).unwrap();
    editor.notify(
        "workspace/didRenameFiles",
        json!({"files": [{"oldUri": uri(&policies), "newUri": uri(&renamed)}]}),
    );
    let cleared = editor.diagnostics(&policies, |params| params["diagnostics"] == json!([]));
    assert!(cleared.is_empty());
    // A file that is deleted while it is open is what the editor holds.
    let text = fs::read_to_string(&renamed).unwrap();
    editor.did_open(&renamed, &text);
    editor.diagnostics(&renamed, |params| {
        params["version"] == 1 && params.to_string().contains("PC201")
    });
    fs::remove_file(&renamed).unwrap();
    editor.notify(
        "workspace/didDeleteFiles",
        json!({"files": [{"uri": uri(&renamed)}]}),
    );
    editor.diagnostics(&renamed, |params| {
        params["version"] == 1 && params.to_string().contains("PC201")
    });
    editor.notify(
        "textDocument/didClose",
        json!({"textDocument": {"uri": uri(&renamed)}}),
    );
    editor.diagnostics(&renamed, |params| params["diagnostics"] == json!([]));
    assert_eq!(editor.close(), 0);
}

#[test]
fn the_protocol_is_kept() {
    let scratch = Scratch::new("lsp-protocol");
    let mut editor = Editor::new(&scratch.0);
    let early = editor
        .respond("textDocument/hover", json!({}))
        .response_result
        .unwrap_err();
    assert_eq!(early.code, -32002);
    editor.request("initialize", json!({"capabilities": {}}));
    let again = editor
        .respond("initialize", json!({"capabilities": {}}))
        .response_result
        .unwrap_err();
    assert_eq!(again.code, -32600);
    let unknown = editor
        .respond("textDocument/absent", json!({}))
        .response_result
        .unwrap_err();
    assert_eq!(unknown.code, -32601);
    let wrong = editor
        .respond("textDocument/hover", json!({"textDocument": 1}))
        .response_result
        .unwrap_err();
    assert_eq!(wrong.code, -32602);
    editor.request("shutdown", Value::Null);
    let late = editor
        .respond("textDocument/hover", json!({}))
        .response_result
        .unwrap_err();
    assert_eq!(late.code, -32600);
    editor.notify("exit", Value::Null);
    assert_eq!(editor.child.wait().unwrap().code(), Some(0));

    let mut rude = Editor::new(&scratch.0);
    rude.notify("exit", Value::Null);
    assert_eq!(rude.child.wait().unwrap().code(), Some(1));
    let mut gone = Editor::new(&scratch.0);
    gone.input = None;
    assert_eq!(gone.child.wait().unwrap().code(), Some(1));
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // Knuth's MMIX.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[test]
fn no_order_of_messages_ends_it() {
    let scratch = example("lsp-any-order");
    let files = ["policies.yaml", "catalog.yaml", "new.yaml", "absent/x.yaml"];
    for seed in 1..=4 {
        let mut dice = Dice(seed);
        let mut editor = Editor::new(&scratch.0);
        let mut version = 0;
        for step in 0..250 {
            let path = scratch.0.join(files[usize::try_from(dice.roll(4)).unwrap()]);
            let place = json!({"line": dice.roll(300), "character": dice.roll(60)});
            let other = json!({"line": dice.roll(300), "character": dice.roll(4_000_000_000)});
            let document = json!({"uri": uri(&path)});
            version += 1;
            let text = ["😀", "\r\n", "port: http", "{", "---\n", "", "\u{feff}", "&a *a"]
                [usize::try_from(dice.roll(8)).unwrap()];
            let method = [
                "textDocument/didOpen",
                "textDocument/didChange",
                "textDocument/didClose",
                "textDocument/didSave",
                "textDocument/hover",
                "textDocument/definition",
                "textDocument/references",
                "textDocument/codeAction",
                "workspace/didChangeWatchedFiles",
                "initialized",
                "$/cancelRequest",
                "no/such/thing",
                "initialize",
            ][usize::try_from(dice.roll(13)).unwrap()];
            let params = match dice.roll(12) {
                0 => json!({"textDocument": [], "position": "x"}),
                1 => Value::Null,
                _ => json!({
                    "textDocument": {"uri": uri(&path), "version": version, "languageId": "yaml", "text": text},
                    "contentChanges": [{"range": {"start": place, "end": other}, "text": text}],
                    "position": place,
                    "range": {"start": other, "end": place},
                    "context": {"includeDeclaration": true, "diagnostics": []},
                    "capabilities": {},
                    "rootUri": uri(&scratch.0),
                    "id": step - 1,
                    "document": document,
                }),
            };
            match dice.roll(20) {
                0 => {
                    let input = editor.input.as_mut().unwrap();
                    input.write_all(b"Content-Length: 5\r\n\r\n{\"a\":").unwrap();
                }
                1 => editor.send(Response {
                    id: step.into(),
                    response_result: Ok(params),
                }),
                roll if roll % 2 == 0 && method.contains("did") => editor.notify(method, params),
                _ => editor.send(Request {
                    id: step.into(),
                    method: method.to_owned(),
                    params,
                }),
            }
        }
        // It still answers, whatever it was told.
        editor.requests = 10_000;
        let alive = editor
            .respond("no/such/thing", Value::Null)
            .response_result
            .unwrap_err();
        assert!([-32002, -32601].contains(&alive.code), "{}", alive.message);
        if alive.code == -32601 {
            assert_eq!(editor.close(), 0);
        }
    }
}
