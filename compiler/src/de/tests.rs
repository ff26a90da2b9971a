//! What Kubernetes' types make of small documents, and what is said about mistakes.

use super::*;
use crate::diagnostic::Unrendered;
use crate::limits::Limits;
use crate::source::Source;
use crate::tree;
use k8s_openapi::api::core::v1::{Container, ContainerPort, Pod, PodSpec};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPort, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

fn reading<T: DeserializeOwned>(text: &str) -> (Option<T>, Vec<String>) {
    let source = Source::new("test.yaml", text);
    let stream = tree::parse(&source, &Limits::default());
    assert_eq!(stream.faults, []);
    let document = &stream.documents[0];
    let reading = read::<T>(document, document.root(), &Route::root());
    let said = reading
        .problems
        .iter()
        .map(|problem| {
            let at = source.position(problem.span.start);
            let slice = source.slice(problem.span);
            let unrendered = problem.unrendered.map(Unrendered::help);
            let help = unrendered.or(problem.help.as_deref()).unwrap_or("-");
            format!(
                "{} {}:{} {slice:?} {} | {} | {help}",
                problem.code, at.line, at.column, problem.route, problem.message
            )
        })
        .collect();
    (reading.value, said)
}

#[track_caller]
fn check<T: DeserializeOwned + fmt::Debug>(text: &str, expected: &[&str]) -> T {
    let (value, said) = reading::<T>(text);
    assert_eq!(said, expected, "{text}");
    value.unwrap()
}

#[test]
fn ports_are_numbers_or_names_as_written() {
    let port = |text: &str| check::<NetworkPolicyPort>(text, &[]).port;
    assert_eq!(port("port: 8080"), Some(IntOrString::Int(8080)));
    assert_eq!(port("port: \"8080\""), Some(IntOrString::String("8080".into())));
    assert_eq!(port("port: http"), Some(IntOrString::String("http".into())));
    assert_eq!(port("port: 12:30"), Some(IntOrString::String("12:30".into())));
    assert_eq!(port("port:"), None);
    assert_eq!(port("port: null"), None);
    assert_eq!(port("{}"), None);
}

#[test]
fn numbers_that_look_like_others_are_pointed_out() {
    let port: NetworkPolicyPort = check(
        "port: 010\nendPort: 1e3\n",
        &[
            "PC119 1:7 \"010\" port | Kubernetes reads `010` as 8 | write `8`, or the number you meant, in plain decimal",
            "PC119 2:10 \"1e3\" endPort | Kubernetes reads `1e3` as 1000 | write `1000`, or the number you meant, in plain decimal",
        ],
    );
    assert_eq!(
        (port.port, port.end_port),
        (Some(IntOrString::Int(8)), Some(1000))
    );
}

#[test]
fn wrong_types_are_all_found_in_one_pass() {
    check::<Pod>(
        "metadata: {name: yes, labels: {app: 1, tier: on, \"n\": \"y\"}}\nspec:\n  hostNetwork: \"true\"\n  containers:\n    name: a\n",
        &[
            "PC115 1:18 \"yes\" metadata.name | `name` must be a string, and Kubernetes reads an unquoted `yes` as a boolean | quote it: \"yes\"",
            "PC104 1:37 \"1\" metadata.labels.app | `app` must be a string, and `1` is a number | quote it: \"1\"",
            "PC115 1:46 \"on\" metadata.labels.tier | `tier` must be a string, and Kubernetes reads an unquoted `on` as a boolean | quote it: \"on\"",
            "PC104 3:16 \"\\\"true\\\"\" spec.hostNetwork | `hostNetwork` must be a boolean, and this is a string | remove the quotes: true",
            "PC104 5:5 \"name: a\" spec.containers | `containers` must be a list, and this is a mapping | put `- ` in front of it to make it an element of a list",
        ],
    );
    check::<NetworkPolicyPort>(
        "port: yes\nendPort: 99999999999\nprotocol: [TCP]\n",
        &[
            "PC115 1:7 \"yes\" port | `port` must be a whole number or a string, and Kubernetes reads an unquoted `yes` as a boolean | quote it: \"yes\"",
            "PC104 2:10 \"99999999999\" endPort | `endPort` must be a whole number of 32 bits, and this is too large | -",
            "PC104 3:11 \"[TCP]\" protocol | `protocol` must be a string, and this is a list | -",
        ],
    );
    check::<ContainerPort>(
        "containerPort: \"8080\"\nname: 80\n",
        &[
            "PC104 1:16 \"\\\"8080\\\"\" containerPort | `containerPort` must be a whole number, and this is a string | remove the quotes: 8080",
            "PC104 2:7 \"80\" name | `name` must be a string, and `80` is a number | quote it: \"80\"",
        ],
    );
    check::<ContainerPort>(
        "text\n",
        &["PC104 1:1 \"text\"  | the object must be a mapping, and `text` is a string | -"],
    );
    check::<Pod>(
        "metadata: {creationTimestamp: yesterday}\n",
        &[
            "PC104 1:31 \"yesterday\" metadata.creationTimestamp | `creationTimestamp` must be a time such as `2026-01-31T08:00:00Z` | -",
        ],
    );
}

#[test]
fn unknown_fields_are_all_found_with_what_they_may_mean() {
    check::<NetworkPolicy>(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nspec:\n  podselector: {}\n  ingress:\n  - form: []\n    policyTypes: [Ingress]\n    prots: []\n  egress:\n  - to:\n    - ipBlok: {cidr: 10.0.0.0/8}\n      colour: red\n",
        &[
            "PC102 4:3 \"podselector\" spec.podselector | unknown field `podselector` in `NetworkPolicySpec` | did you mean `podSelector`?",
            "PC102 6:5 \"form\" spec.ingress[0].form | unknown field `form` in `NetworkPolicyIngressRule` | did you mean `from`?",
            "PC102 7:5 \"policyTypes\" spec.ingress[0].policyTypes | unknown field `policyTypes` in `NetworkPolicyIngressRule` | `policyTypes` is a field of `NetworkPolicySpec`: check the indentation",
            "PC102 8:5 \"prots\" spec.ingress[0].prots | unknown field `prots` in `NetworkPolicyIngressRule` | did you mean `ports`?",
            "PC102 11:7 \"ipBlok\" spec.egress[0].to[0].ipBlok | unknown field `ipBlok` in `NetworkPolicyPeer` | did you mean `ipBlock`?",
            "PC102 12:7 \"colour\" spec.egress[0].to[0].colour | unknown field `colour` in `NetworkPolicyPeer` | the fields here are `ipBlock`, `namespaceSelector`, `podSelector`",
        ],
    );
    // What is given beside it was not meant.
    check::<NetworkPolicyPort>(
        "port: 53\nprot: UDP\n",
        &["PC102 2:1 \"prot\" prot | unknown field `prot` in `NetworkPolicyPort` | did you mean `protocol`?"],
    );
    check::<NetworkPolicySpec>(
        "podSelector: {app: web}\n",
        &[
            "PC102 1:15 \"app\" podSelector.app | unknown field `app` in `LabelSelector` | if `app` is a label, put it under `matchLabels`",
        ],
    );
    // What the API server and newer controllers write is not the author's mistake.
    check::<Pod>("status: {invented: 1, conditions: [{alsoInvented: 2}]}\n", &[]);
}

#[test]
fn keys_must_have_one_meaning() {
    check::<NetworkPolicySpec>(
        "podSelector: {matchLabels: {on: a, 010: b, 8.50: c, 80: d}}\n",
        &[
            "PC115 1:29 \"on\" podSelector.matchLabels.true | Kubernetes reads the unquoted key `on` as `true` | quote it: \"on\"",
            "PC104 1:36 \"010\" podSelector.matchLabels.8 | Kubernetes reads the unquoted key `010` as `8` | quote it: \"010\"",
            "PC104 1:44 \"8.50\" podSelector.matchLabels[\"8.5\"] | Kubernetes reads the unquoted key `8.50` as `8.5` | quote it: \"8.50\"",
        ],
    );
    check::<NetworkPolicyPort>(
        "port: 80\nport: 81\n",
        &[
            "PC103 2:1 \"port\" port | `port` is given twice | keep one of them: readers of YAML differ on which one counts",
        ],
    );
    check::<NetworkPolicySpec>(
        "podSelector: ${SELECTOR}\n",
        &[
            "PC104 1:14 \"${SELECTOR}\" podSelector | `podSelector` must be a mapping, and `${SELECTOR}` is a string | this looks like a variable: substitute it first, for example `envsubst < … | portcullis check -`, or with `flux build`",
        ],
    );
    check::<Container>(
        "name: {{ .Values.name }}\n",
        &[
            "PC104 1:7 \"{{ .Values.name }}\" name | `name` must be a string, and this is a mapping | this looks like a template: render it first, for example `helm template … | portcullis check -`",
        ],
    );
}

#[test]
fn null_is_absent_but_not_an_element() {
    let spec: NetworkPolicySpec = check("podSelector:\ningress: ~\negress: null\n", &[]);
    assert_eq!((spec.ingress, spec.egress), (None, None));
    let pod: PodSpec = check("containers: null\nhostNetwork:\nnodeSelector: {a: }\n", &[]);
    assert_eq!(pod.node_selector.unwrap()["a"], "");
    check::<NetworkPolicySpec>(
        "ingress:\n-\npolicyTypes: [~]\n",
        &[
            "PC104 2:2 \"\" ingress[0] | an element of `ingress` must be a mapping, and this is null | -",
            "PC104 3:15 \"~\" policyTypes[0] | an element of `policyTypes` must be a string, and this is null | -",
        ],
    );
}

#[test]
fn tags_are_understood_or_refused() {
    let port: ContainerPort = check("name: !!str 80\ncontainerPort: !!int \"80\"\n", &[]);
    assert_eq!((port.name.as_deref(), port.container_port), (Some("80"), 80));
    check::<ContainerPort>(
        "name: !secret x\n",
        &[
            "PC104 1:7 \"!secret\" name | the tag of `name` is unknown here, or the value is not of its type | remove the tag; quote the value if it is text",
        ],
    );
}

#[test]
fn quantities_times_and_free_form_values_are_read() {
    let container: Container = check("resources: {limits: {cpu: 0.5, memory: 1Gi, pods: 3}}\n", &[]);
    let limits = container.resources.unwrap().limits.unwrap();
    let shown: Vec<_> = limits
        .iter()
        .map(|(name, quantity)| format!("{name}={}", quantity.0))
        .collect();
    assert_eq!(shown, ["cpu=0.5", "memory=1Gi", "pods=3"]);
    check::<Pod>(
        "metadata: {creationTimestamp: null, managedFields: [{fieldsV1: {\"f:x\": {}}, time: \"2026-01-31T08:00:00Z\"}]}\n",
        &[],
    );
}
