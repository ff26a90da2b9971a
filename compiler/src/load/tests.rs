//! From bytes and directories to objects and findings.

use super::*;
use crate::route;
use std::fs;
use std::os::unix::fs::symlink;

const POLICY: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: api, namespace: shop}\nspec:\n  podSelector: {}\n  ingress:\n  - ports:\n    - port: http\n    - port: 8080\n";

fn load_text(files: &[(&str, &str)]) -> Input {
    load_bytes(
        files.iter().map(|&(name, text)| (name, text.as_bytes())),
        &Limits::default(),
    )
}

/// One line for each object and each finding.
fn outline(input: &Input) -> Vec<String> {
    let objects = input.objects.iter().map(|object| {
        let namespace = object.name.namespace.as_deref().unwrap_or("-");
        let incomplete = if object.incomplete { " incomplete" } else { "" };
        let origin = object.origin(&Route::root());
        format!(
            "{} {namespace}/{} {origin} {}{incomplete}",
            object.name.kind, object.name.name, origin.path
        )
    });
    let findings = input.findings.iter().map(|finding| {
        let place = finding
            .primary()
            .map(|label| label.origin.to_string())
            .unwrap_or_default();
        let blocks = if finding.blocks_analysis { " blocks" } else { "" };
        format!("{} {place} {}{blocks}", finding.code, finding.message)
    });
    objects.chain(findings).collect()
}

#[test]
fn a_policy_knows_where_it_is_written() {
    let input = load_text(&[("a.yaml", POLICY)]);
    assert_eq!(outline(&input), ["NetworkPolicy shop/api a.yaml:1:1 "]);
    let object = &input.objects[0];
    let route = route!["spec", "ingress", 0, "ports", 1, "port"];
    let origin = object.origin(&route);
    assert_eq!(origin.to_string(), "a.yaml:9:13");
    assert_eq!((origin.end_line, origin.end_column), (9, 17));
    assert_eq!(&*origin.path, "spec.ingress[0].ports[1].port");
    assert_eq!(object.key_origin(&route).to_string(), "a.yaml:9:7");
    // An absent field points at what should hold it.
    let absent = object.origin(&route!["spec", "policyTypes"]);
    assert_eq!(
        (absent.to_string(), &*absent.path),
        ("a.yaml:5:3".to_owned(), "spec.policyTypes")
    );
}

#[test]
fn lists_are_opened_in_place() {
    let list = r#"{"apiVersion":"v1","kind":"List","items":[
  {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}},
  {"apiVersion":"v1","kind":"PodList","items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b","oops":1}}]},
  {"apiVersion":"v1","kind":"ConfigMap"}, null]}"#;
    let input = load_text(&[("list.json", list)]);
    assert_eq!(
        outline(&input),
        [
            "Namespace -/shop list.json:2:3 items[0]",
            "Pod default/a list.json:3:48 items[1].items[0]",
            "Pod default/b list.json:3:74 items[1].items[1] incomplete",
            "PC102 list.json:3:98 unknown field `oops` in `ObjectMeta`",
        ]
    );
    let label = &input.findings[0].labels[0];
    assert_eq!(&*label.origin.path, "items[1].items[1].metadata.oops");
    assert_eq!(input.skipped, BTreeMap::from([("ConfigMap".to_owned(), 1)]));
}

#[test]
fn mistakes_block_analysis_where_answers_would_rest_on_them() {
    let pod = |field: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{{field}}}\n");
    let policy = |field: &str| format!("{POLICY}  {field}\n");
    let blocked = |text: &str| {
        let input = load_text(&[("a.yaml", text)]);
        let findings: Vec<_> = input
            .findings
            .iter()
            .map(|f| (f.code.number(), f.blocks_analysis))
            .collect();
        findings
    };
    assert_eq!(blocked(&pod("hostNetwrk: true")), [(102, false)]);
    assert_eq!(blocked(&pod("hostNetwork: 1")), [(104, true)]);
    assert_eq!(blocked(&pod("priority: 010")), [(119, false)]);
    assert_eq!(blocked(&policy("ingres: []")), [(102, true)]);
    assert_eq!(blocked(&policy("podSelector: {}")), [(103, true)]);
    assert_eq!(
        blocked("apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\n"),
        [(116, true)]
    );
    assert_eq!(
        blocked("apiVersion: extensions/v1beta1\nkind: NetworkPolicy\n"),
        [(117, true)]
    );
    assert_eq!(
        blocked("kind: ConfigMap\nkind: NetworkPolicy\napiVersion: v1\n"),
        [(103, true)]
    );
    assert_eq!(blocked("a: [\n"), [(101, true)]);
}

#[test]
fn what_is_not_text_is_a_finding() {
    let files: [(&str, &[u8]); 3] = [
        ("latin1.yaml", b"a: 1\nb: caf\xe9\n"),
        ("utf16.yaml", b"\xff\xfea\0:\0"),
        ("bom.yaml", b"\xef\xbb\xbfkind: ConfigMap\n"),
    ];
    let input = load_bytes(files, &Limits::default());
    assert_eq!(
        outline(&input),
        [
            "PC101 latin1.yaml:2:7 this file is not UTF-8 text blocks",
            "PC101 utf16.yaml:1:1 this file is not UTF-8 text blocks",
        ]
    );
    let limits = Limits {
        bytes: 4,
        ..Limits::default()
    };
    let input = load_bytes([("long.yaml", &b"a: 1\n"[..])], &limits);
    assert_eq!(
        outline(&input),
        ["PC113 long.yaml:1:1 there are more than 4 bytes in a file blocks"]
    );
}

#[test]
fn a_mistake_in_an_anchor_is_said_once() {
    let text =
        "apiVersion: v1\nkind: List\nitems:\n- &p {apiVersion: v1, kind: Pod, spec: {oops: 1}}\n- *p\n- *p\n";
    let input = load_text(&[("a.yaml", text)]);
    assert_eq!(input.objects.len(), 3);
    let paths: Vec<_> = input
        .findings
        .iter()
        .map(|f| f.labels[0].origin.path.to_string())
        .collect();
    assert_eq!(paths, ["items[0].spec.oops"]);
}

#[test]
fn results_do_not_depend_on_the_order_of_files() {
    let files = [
        ("b.yaml", POLICY),
        ("a.yaml", "kind: NetworkPolicy\n"),
        ("c.yaml", "apiVersion: v1\nkind: Pod\nx: 1\n"),
    ];
    let mut reversed = files;
    reversed.reverse();
    assert_eq!(outline(&load_text(&files)), outline(&load_text(&reversed)));
}

/// A directory that is removed again, also when the test fails.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("portcullis-load-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn load(&self, paths: &[&str]) -> Result<Vec<String>, LoadError> {
        let paths: Vec<_> = paths
            .iter()
            .map(|path| {
                if *path == "-" {
                    "-".into()
                } else {
                    self.0.join(path)
                }
            })
            .collect();
        let input = load_with(&paths, &Limits::default(), &mut POLICY.as_bytes())?;
        let root = format!("{}/", self.0.display());
        Ok(input
            .sources
            .iter()
            .map(|(_, source)| source.name().replace(&root, ""))
            .collect())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn directories_are_read_once_in_order_and_without_loops() {
    let scratch = Scratch::new("directories");
    for path in [
        "z/b.yml",
        "z/a.yaml",
        "a.JSON",
        "notes.txt",
        ".git/x.yaml",
        "z/.hidden.yaml",
        "z.yaml",
    ] {
        scratch.write(path, "kind: Other");
    }
    // What only lies beside manifests is left out unless it is named.
    scratch.write("tsconfig.json", "{ // no object\n}");
    scratch.write("node_modules/x.yaml", "kind: Other");
    scratch.write("kustomization.yaml", "patches: []");
    symlink("..", scratch.0.join("z/loop")).unwrap();
    symlink("a.yaml", scratch.0.join("z/same.yaml")).unwrap();
    let all = ["a.JSON", "kustomization.yaml", "z.yaml", "z/a.yaml", "z/b.yml"];
    assert_eq!(scratch.load(&[""]).unwrap(), all);
    assert_eq!(scratch.load(&["z", "", "z/b.yml", "z.yaml"]).unwrap().len(), 5);
    assert_eq!(scratch.load(&["tsconfig.json"]).unwrap(), ["tsconfig.json"]);
    assert_eq!(
        scratch.load(&["-", ".git/x.yaml", "notes.txt", "-"]).unwrap(),
        [".git/x.yaml", "notes.txt", "<stdin>"]
    );
    let missing = scratch.load(&["nowhere"]).unwrap_err();
    assert!(missing.to_string().contains("nowhere"), "{missing}");
}

/// A link that leads nowhere is an error where it should lead to a manifest.
#[test]
fn links_that_lead_nowhere_matter_where_their_name_is_read() {
    let scratch = Scratch::new("links");
    scratch.write("a.yaml", "kind: Other");
    for name in [
        "foo.txt",
        "README",
        "docs",
        "portcullis.toml",
        "a.yaml/below",
        "link",
    ] {
        let link = scratch.0.join(name.replace('/', "-"));
        symlink(name, &link).unwrap();
        assert_eq!(scratch.load(&[""]).unwrap(), ["a.yaml"], "{name}");
        assert!(scratch.load(&[link.to_str().unwrap()]).is_err(), "{name}");
    }
    for name in ["b.yaml", "b.guarantees"] {
        let link = scratch.0.join(name);
        symlink("gone", &link).unwrap();
        assert!(scratch.load(&[""]).is_err(), "{name}");
        fs::remove_file(link).unwrap();
    }
}

#[test]
fn what_a_patch_lays_over_a_workload_accepts_nothing_by_itself() {
    let metadata = "metadata: {name: a, annotations: {portcullis.io/allow.PC208: on purpose}}\n";
    let patch = format!("apiVersion: apps/v1\nkind: Deployment\n{metadata}");
    let policy = format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n{metadata}spec: {{podSelector: {{}}}}\n"
    );
    let both = format!("{patch}{policy}");
    let kustomization =
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\npatches: [{path: p.yaml}]\n";
    let files = [
        ("p.yaml", both.as_bytes()),
        ("kustomization.yaml", kustomization.as_bytes()),
    ];
    let input = load_bytes(files, &Limits::default());
    let lines = input.acceptances.iter().map(|acceptance| acceptance.origin.line);
    assert_eq!(lines.collect::<Vec<_>>(), [7]);
}

#[test]
fn syntax_that_something_fills_in_is_told_from_other_syntax() {
    for (ports, unrendered) in [
        ("{{ .Values.ports }}: x: y", Some(Unrendered::Template)),
        ("{% if open %}", Some(Unrendered::Template)),
        ("[{port: ${PORT}}]", Some(Unrendered::Variables)),
        ("[{port: 80]", None),
    ] {
        let text = POLICY.replace("podSelector: {}", &format!("podSelector: {ports}"));
        let input = load_text(&[("a.yaml", &text)]);
        let finding = &input.findings[0];
        assert_eq!(
            (finding.code, finding.unrendered),
            (Code::UNPARSABLE, unrendered),
            "{ports}"
        );
        let help = finding.help.as_deref();
        assert_eq!(help, unrendered.map(Unrendered::help), "{ports}");
    }
}
