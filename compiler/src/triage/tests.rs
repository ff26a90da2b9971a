//! Decisions about the findings of one small policy, whose port name means two numbers.

use super::*;
use crate::check::{self, Options};
use crate::diagnostic::AcceptedBy;
use crate::limits::Limits;
use crate::load;

const PODS: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: old, namespace: shop, labels: {app: api}}
spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: new, namespace: shop, labels: {app: api}}
spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}]}]}
";

const POLICY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: out
  namespace: shop
  annotations:
    example.io/a: b
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - to:
    - podSelector: {matchLabels: {app: api}}
    ports:
    - port: http
";

const COLLISION: Code = Code::NAMED_PORT_MANY_NUMBERS;

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn how() -> Triage {
    Triage {
        solver: false,
        ..Triage::on(day("2027-01-01"))
    }
}

fn codes(text: &str) -> Codes {
    text.parse().unwrap()
}

fn choice(select: &[&str], ignore: &[&str]) -> Choice {
    let list = |texts: &[&str]| texts.iter().map(|text| codes(text)).collect();
    Choice {
        select: list(select),
        ignore: list(ignore),
    }
}

fn checked(policy: &str) -> (Checked, Understood) {
    checked_with(PODS, policy)
}

fn checked_with(pods: &str, policy: &str) -> (Checked, Understood) {
    let files = [("pods.yaml", pods.as_bytes()), ("policy.yaml", policy.as_bytes())];
    let input = load::load_bytes(files, &Limits::default());
    let understood = check::understand_input(input, &Options::default());
    (check::check(&understood, None).unwrap(), understood)
}

fn triaged(policy: &str, how: &Triage) -> Vec<Finding> {
    let (checked, understood) = checked(policy);
    triage(&checked, &understood, how).findings
}

fn of(findings: &[Finding], code: Code) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.code == code).collect()
}

/// Codes that speak of acceptances.
fn about_acceptances(findings: &[Finding]) -> Vec<Code> {
    let about = findings.iter().map(|finding| finding.code);
    about
        .filter(|code| (614..=617).contains(&code.number()))
        .collect()
}

/// What became of the collision: the reason it was accepted for, if it was.
fn reason(findings: &[Finding]) -> Option<(&str, AcceptedBy)> {
    let [collision] = of(findings, COLLISION)[..] else {
        panic!("one collision: {findings:#?}");
    };
    let accepted = collision.accepted.as_ref()?;
    Some((&accepted.reason, accepted.by))
}

#[test]
fn a_comment_accepts_what_is_on_its_line_or_below() {
    for (line, with) in [
        (
            "- port: http",
            "- port: http # portcullis: allow[PC201] on purpose",
        ),
        (
            "    - port: http",
            "    # portcullis: allow[PC201] on purpose\n    - port: http",
        ),
        (
            "    - port: http",
            "    # portcullis: allow[named-port-many-numbers] on purpose\n    # and more\n    - port: http",
        ),
    ] {
        let findings = triaged(&POLICY.replace(line, with), &how());
        assert_eq!(
            reason(&findings),
            Some(("on purpose", AcceptedBy::Comment)),
            "{with}"
        );
        assert_eq!(about_acceptances(&findings), [], "{with}");
    }
}

#[test]
fn a_comment_elsewhere_has_no_effect_and_says_so() {
    for (line, with) in [
        ("    ports:", "    ports: # portcullis: allow[PC201] on purpose"),
        (
            "    ports:",
            "    # portcullis: allow[PC201] on purpose\n    ports:",
        ),
        (
            "- port: http",
            "- port: http # portcullis: allow[PC204] on purpose",
        ),
    ] {
        let findings = triaged(&POLICY.replace(line, with), &how());
        assert_eq!(reason(&findings), None, "{with}");
        assert_eq!(about_acceptances(&findings), [Code::UNUSED_ACCEPTANCE], "{with}");
    }
}

#[test]
fn an_annotation_accepts_what_is_in_its_object() {
    let annotated = |key: &str, value: &str| POLICY.replace("example.io/a: b", &format!("{key}: {value}"));
    let findings = triaged(&annotated("portcullis.io/allow.PC201", "on purpose"), &how());
    assert_eq!(reason(&findings), Some(("on purpose", AcceptedBy::Annotation)));
    assert_eq!(about_acceptances(&findings), []);
    let findings = triaged(&annotated("portcullis.io/allow.PC204", "on purpose"), &how());
    assert_eq!(reason(&findings), None);
    assert_eq!(about_acceptances(&findings), [Code::UNUSED_ACCEPTANCE]);
    let elsewhere = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a, annotations: {portcullis.io/allow.PC201: x}}\n";
    let findings = triaged(&format!("{POLICY}{elsewhere}"), &how());
    assert_eq!(reason(&findings), None);
    assert_eq!(about_acceptances(&findings), [Code::UNUSED_ACCEPTANCE]);
}

/// Eleven policies with a collision in a list on one line. The first accepts its own.
fn listed() -> String {
    let items = (0..11).map(|index| {
        let annotations = match index {
            0 => r#""portcullis.io/allow.PC201": "on purpose""#,
            _ => "",
        };
        POLICY_ITEM
            .replace("NAME", &format!("p{index}"))
            .replace("ANNOTATIONS", annotations)
    });
    let items: Vec<_> = items.collect();
    format!(
        r#"{{"apiVersion": "v1", "kind": "List", "items": [{}]}}"#,
        items.join(", ")
    )
}

const POLICY_ITEM: &str = concat!(
    r#"{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "#,
    r#""metadata": {"name": "NAME", "namespace": "shop", "annotations": {ANNOTATIONS}}, "#,
    r#""spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"#,
    r#""to": [{"podSelector": {"matchLabels": {"app": "api"}}}], "ports": [{"port": "http"}]}]}}"#
);

#[test]
fn an_annotation_accepts_nothing_of_another_object_on_its_line() {
    let findings = triaged(&listed(), &how());
    let collisions = of(&findings, COLLISION);
    assert_eq!(collisions.len(), 11);
    for collision in collisions {
        let own = collision.objects.iter().all(|object| object.name != "p0");
        assert_eq!(collision.counts(), own, "{collision:#?}");
    }
    assert_eq!(about_acceptances(&findings), []);
}

#[test]
fn an_annotation_of_a_pod_template_accepts_what_is_in_its_pods() {
    let accepted = |annotated: &str| {
        let workload = "\
apiVersion: batch/v1
kind: CronJob
metadata: {name: api, namespace: shop}
spec:
  schedule: '@daily'
  jobTemplate:
    metadata: {}
    spec:
      template:
        metadata: {labels: {app: api}}
        spec:
          containers:
          - {name: a, image: i, ports: [{name: http, containerPort: 80}]}
          - {name: b, image: i, ports: [{name: http, containerPort: 8080}]}
";
        let with = annotated.replace("{", "{annotations: {portcullis.io/allow.PC208: on purpose}, ");
        let (checked, understood) = checked_with(&workload.replacen(annotated, &with, 1), POLICY);
        let findings = triage(&checked, &understood, &how()).findings;
        let twice = of(&findings, Code::NAMED_PORT_TWICE_IN_POD);
        assert!(!twice.is_empty(), "{findings:#?}");
        (
            twice.iter().all(|finding| !finding.counts()),
            about_acceptances(&findings),
        )
    };
    for annotated in ["metadata: {name: api, ", "metadata: {}", "metadata: {labels: "] {
        assert_eq!(accepted(annotated), (true, vec![]), "{annotated}");
    }
}

#[test]
fn an_annotation_where_nothing_is_checked_has_no_effect_and_says_so() {
    let elsewhere = "\
---
apiVersion: v1
kind: ConfigMap
metadata: {name: a, annotations: {portcullis.io/allow.PC201: on purpose}}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: a}
spec: {template: {metadata: {annotations: {portcullis.io/alow.PC201: on purpose}}}}
";
    let findings = triaged(&format!("{POLICY}{elsewhere}"), &how());
    assert_eq!(reason(&findings), None);
    let said = [Code::UNUSED_ACCEPTANCE, Code::ACCEPTANCE_UNREADABLE];
    assert_eq!(about_acceptances(&findings), said);
}

#[test]
fn without_a_reason_or_with_a_slip_it_does_not_count() {
    for (comment, code) in [
        ("allow[PC201]", Code::ACCEPTANCE_WITHOUT_REASON),
        ("allow[PC201] until=2030-01-01", Code::ACCEPTANCE_WITHOUT_REASON),
        ("allow PC201 on purpose", Code::ACCEPTANCE_UNREADABLE),
        ("allow[PC2O1] on purpose", Code::ACCEPTANCE_UNREADABLE),
        ("allow[PC201] on purpose until=2030", Code::ACCEPTANCE_UNREADABLE),
    ] {
        let with = format!("- port: http # portcullis: {comment}");
        let findings = triaged(&POLICY.replace("- port: http", &with), &how());
        assert_eq!(reason(&findings), None, "{comment}");
        assert_eq!(about_acceptances(&findings), [code], "{comment}");
    }
}

#[test]
fn an_acceptance_holds_to_the_end_of_its_last_day() {
    let with = "- port: http # portcullis: allow[PC201] on purpose until=2027-01-31";
    let policy = POLICY.replace("- port: http", with);
    let on = |date| Triage {
        today: day(date),
        ..how()
    };
    let findings = triaged(&policy, &on("2027-01-31"));
    assert_eq!(reason(&findings), Some(("on purpose", AcceptedBy::Comment)));
    assert_eq!(about_acceptances(&findings), []);
    let findings = triaged(&policy, &on("2027-02-01"));
    assert_eq!(reason(&findings), None);
    assert_eq!(about_acceptances(&findings), [Code::ACCEPTANCE_EXPIRED]);
}

#[test]
fn what_makes_every_answer_a_guess_is_neither_accepted_nor_left_out() {
    let with = "- port: 0 # portcullis: allow[PC105] on purpose";
    let policy = POLICY.replace("- port: http", with);
    let everything_ignored = Triage {
        chosen: choice(&[], &["PC1"]),
        ..how()
    };
    for how in [how(), everything_ignored] {
        let findings = triaged(&policy, &how);
        let [refused] = of(&findings, Code::PORT_OUT_OF_RANGE)[..] else {
            panic!("one port: {findings:#?}");
        };
        assert!(refused.counts() && refused.blocks_analysis);
        assert_eq!(about_acceptances(&findings), [Code::UNUSED_ACCEPTANCE]);
    }
    // Behind it nothing was analysed, so nothing is called unused.
    let with = "- port: 0 # portcullis: allow[PC201] on purpose";
    let findings = triaged(&POLICY.replace("- port: http", with), &how());
    assert_eq!(about_acceptances(&findings), []);
}

#[test]
fn what_was_not_asked_is_not_called_unused() {
    let with = "- port: http # portcullis: allow[PC302] on purpose";
    let (checked, understood) = checked(&POLICY.replace("- port: http", with));
    for (solver, said) in [(false, 0), (true, 1)] {
        let how = Triage { solver, ..how() };
        let findings = triage(&checked, &understood, &how).findings;
        assert_eq!(about_acceptances(&findings).len(), said, "solver {solver}");
    }
}

#[test]
fn what_is_about_pods_elsewhere_is_not_called_unused() {
    let said = |code: &str, pods: &str, port: &str| {
        let with = format!("- port: {port} # portcullis: allow[{code}] two catalogs");
        let policy = POLICY.replace("- port: http", &with);
        let files = [("pods.yaml", pods.as_bytes()), ("policy.yaml", policy.as_bytes())];
        let input = load::load_bytes(files, &Limits::default());
        let understood = check::understand_input(input, &Options::default());
        let checked = check::check(&understood, None).unwrap();
        about_acceptances(&triage(&checked, &understood, &how()).findings)
    };
    let elsewhere = PODS.replace("app: api", "app: web");
    for port in ["http", "80"] {
        assert_eq!(said("PC201", "", port), [], "{port}");
        assert_eq!(said("PC201", &elsewhere, port), [], "{port}");
    }
    assert_eq!(said("PC201", PODS, "80"), [Code::UNUSED_ACCEPTANCE]);
    for code in ["PC602", "PC701", "PC606"] {
        assert_eq!(said(code, "", "80"), [], "{code}");
    }
    assert_eq!(said("PC602", &elsewhere, "80"), [Code::UNUSED_ACCEPTANCE]);
}

#[test]
fn an_acceptance_goes_without_asking_only_where_its_file_alone_decides() {
    for (code, applicability) in [
        ("PC119", Applicability::Safe),
        ("PC607", Applicability::Suggestion),
        ("PC209", Applicability::Suggestion),
    ] {
        let with = format!("policyTypes: [Egress] # portcullis: allow[{code}] on purpose");
        let findings = triaged(&POLICY.replace("policyTypes: [Egress]", &with), &how());
        let [unused] = of(&findings, Code::UNUSED_ACCEPTANCE)[..] else {
            panic!("one acceptance: {findings:#?}");
        };
        let sure: Vec<_> = unused.fixes.iter().map(|fix| fix.applicability).collect();
        assert_eq!(sure, [applicability], "{code}");
    }
}

#[test]
fn the_more_exact_of_two_names_decides() {
    let kept = |select: &[&str], ignore: &[&str]| {
        let how = Triage {
            chosen: choice(select, ignore),
            ..how()
        };
        !of(&triaged(POLICY, &how), COLLISION).is_empty()
    };
    assert!(kept(&[], &[]));
    assert!(kept(&["PC2"], &[]) && kept(&["PC201"], &["PC2"]) && kept(&["PC"], &["PC3"]));
    assert!(!kept(&["PC3"], &[]) && !kept(&[], &["PC"]) && !kept(&[], &["PC2"]));
    assert!(!kept(&["PC2"], &["PC201"]) && !kept(&["PC201"], &["PC201"]));
}

#[test]
fn flags_that_name_a_code_decide_whatever_the_configuration_says() {
    let kept = |asked: Choice, chosen: Choice| {
        let how = Triage {
            asked,
            chosen,
            ..how()
        };
        !of(&triaged(POLICY, &how), COLLISION).is_empty()
    };
    for named in ["PC201", "PC2", "PC"] {
        assert!(kept(choice(&[named], &[]), choice(&[], &["PC201"])), "{named}");
        assert!(!kept(choice(&[], &[named]), choice(&["PC201"], &[])), "{named}");
    }
    assert!(!kept(choice(&["PC3"], &[]), choice(&["PC201"], &[])));
    // What they do not name is the configuration's to decide.
    assert!(!kept(choice(&[], &["PC3"]), choice(&[], &["PC201"])));
    assert!(kept(choice(&[], &["PC3"]), choice(&["PC201"], &[])));
}

#[test]
fn severities_are_set_by_the_most_exact_name_and_flags_first() {
    let severity = |severity: &[(&str, Severity)], overrides: &[(&str, Severity)]| {
        let list = |pairs: &[(&str, Severity)]| {
            let pairs = pairs.iter().map(|(text, severity)| (codes(text), *severity));
            pairs.collect::<Vec<_>>()
        };
        let how = Triage {
            severity: list(severity),
            overrides: list(overrides),
            ..how()
        };
        of(&triaged(POLICY, &how), COLLISION)[0].severity
    };
    let (error, note) = (Severity::Error, Severity::Note);
    assert_eq!(severity(&[], &[]), Severity::Warning);
    assert_eq!(severity(&[("PC201", error), ("PC2", note)], &[]), error);
    assert_eq!(severity(&[("PC201", error)], &[("PC2", note)]), note);
    assert_eq!(severity(&[("PC3", error)], &[]), Severity::Warning);
}

fn baseline_of(policy: &str) -> Baseline {
    let (checked, understood) = checked(policy);
    let mut out = Vec::new();
    let written = baseline::write(
        &mut out,
        &checked.findings,
        &understood.input.sources,
        &Repository::default(),
    )
    .unwrap();
    assert_eq!(written, checked.findings.len());
    Baseline::read("old.json", &String::from_utf8(out).unwrap()).unwrap()
}

fn against(baseline: &Baseline, policy: &str) -> Triaged {
    let (checked, understood) = checked(policy);
    let how = Triage {
        baseline: Some(baseline.clone()),
        solver: true,
        ..how()
    };
    triage(&checked, &understood, &how)
}

#[test]
fn a_baseline_accepts_what_was_there_wherever_it_has_moved() {
    let baseline = baseline_of(POLICY);
    for policy in [POLICY.to_owned(), format!("# a comment\n\n{POLICY}")] {
        let triaged = against(&baseline, &policy);
        assert_eq!(
            reason(&triaged.findings),
            Some(("in the baseline old.json", AcceptedBy::Baseline))
        );
        assert!(
            triaged.findings.iter().all(|finding| !finding.counts()),
            "{policy}"
        );
        assert_eq!(triaged.stale, 0);
    }
    let fixed = against(&baseline, &POLICY.replace("port: http", "port: 80"));
    assert!(fixed.stale > 0);
}

#[test]
fn what_pods_have_instead_of_the_port_is_no_evidence() {
    let policy = POLICY.replace("port: http", "port: web");
    let baseline = baseline_of(&policy);
    let pods = PODS.replace("ports: [", "ports: [{name: metrics, containerPort: 9404}, ");
    let (checked, understood) = checked_with(&pods, &policy);
    let how = Triage {
        baseline: Some(baseline),
        ..how()
    };
    let triaged = triage(&checked, &understood, &how);
    let [undefined] = of(&triaged.findings, Code::NAMED_PORT_UNDEFINED)[..] else {
        panic!("one use: {:#?}", triaged.findings);
    };
    assert!(!undefined.counts());
}

#[test]
fn one_more_of_the_same_is_new() {
    let twice = POLICY.replace("    - port: http\n", "    - port: http\n    - port: http\n");
    let counting = |triaged: &Triaged| {
        let collisions = of(&triaged.findings, COLLISION);
        collisions.iter().filter(|finding| finding.counts()).count()
    };
    assert_eq!(counting(&against(&baseline_of(POLICY), &twice)), 1);
    assert_eq!(counting(&against(&baseline_of(&twice), &twice)), 0);
}

#[test]
fn counts_of_a_baseline_stop_at_the_largest_number() {
    let entry = |fingerprint: &str| {
        let count = usize::MAX;
        format!(
            r#"{{"fingerprint": "{fingerprint}", "count": {count}, "code": "PC201", "file": "a", "message": "m"}}"#
        )
    };
    let text = format!(
        r#"{{"version": 1, "findings": [{}, {}, {}]}}"#,
        entry("a"),
        entry("a"),
        entry("b")
    );
    let baseline = Baseline::read("old.json", &text).unwrap();
    assert_eq!(against(&baseline, POLICY).stale, usize::MAX);
}

#[test]
fn files_that_are_no_baseline_are_refused() {
    for text in ["", "[]", "{}", r#"{"version": 2, "findings": []}"#] {
        assert!(Baseline::read("a", text).is_err(), "{text}");
    }
}
