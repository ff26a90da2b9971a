//! The registry of finding codes: permanent numbers, readable names, default severities.
//!
//! A code is never reused and never renumbered; new ones are added behind the last of their group.

use std::fmt;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Traffic that the author meant to block passes, a rule does nothing, or the input cannot be trusted.
    Error,
    /// Engines differ, or part of what was meant is missed.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// The word in every output format and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A finding's permanent code, printed as `PC201`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

/// Which findings of a code can be accepted where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptable {
    /// Every one.
    All,
    /// Those on which no other answer rests, see [`Finding::blocks_analysis`](super::Finding::blocks_analysis).
    Some,
    /// None: every other answer rests on them, or no comment is read where they are.
    None,
}

/// What the registry says about a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The code.
    pub code: Code,
    /// Its readable name, such as `named-port-many-numbers`.
    pub name: &'static str,
    /// Severity unless the command line or configuration says otherwise.
    pub severity: Severity,
    /// One sentence: what is wrong when this is reported.
    pub summary: &'static str,
}

macro_rules! codes {
    ($($constant:ident $number:literal $name:literal $severity:ident $summary:literal)*) => {
        impl Code {
            $(#[doc = $summary] pub const $constant: Self = Self($number);)*
        }

        /// Every code, in order.
        pub const REGISTRY: &[Entry] = &[
            $(Entry {
                code: Code($number),
                name: $name,
                severity: Severity::$severity,
                summary: $summary,
            },)*
        ];
    };
}

codes! {
    UNPARSABLE 101 "unparsable" Error "The input is not text, or not YAML or JSON."
    UNKNOWN_FIELD 102 "unknown-field" Error "The API has no field of this name here, so what it says has no effect."
    DUPLICATE_KEY 103 "duplicate-key" Error "A mapping has the same key twice, and readers differ on which one counts."
    WRONG_TYPE 104 "wrong-type" Error "A value is not of the type that the API requires here."
    PORT_OUT_OF_RANGE 105 "port-out-of-range" Error "A port number is outside 1 to 65535."
    END_PORT_BELOW_PORT 106 "end-port-below-port" Error "A port range ends before it starts."
    INVALID_CIDR 107 "invalid-cidr" Error "A CIDR block is not one."
    EXCEPT_OUTSIDE_CIDR 108 "except-outside-cidr" Error "An exception does not lie inside the block that it is cut from."
    INVALID_SELECTOR 109 "invalid-selector" Error "A label selector breaks the API's rules."
    INVALID_NAME 110 "invalid-name" Error "A name, label key or label value breaks the API's rules."
    REFUSED_COMBINATION 111 "refused-combination" Error "Fields that exclude each other are used together."
    UNKNOWN_ENTITY 112 "unknown-entity" Error "No entity has this name."
    LIMIT_EXCEEDED 113 "limit-exceeded" Error "The input is larger, deeper or more expanded than the limits allow."
    SUBJECT_MISSING_OR_DOUBLE 114 "subject-missing-or-double" Error "A policy must select its subject in exactly one way."
    YAML_BOOLEAN 115 "yaml-1.1-boolean" Error "Kubernetes reads this unquoted word as a boolean, where text is needed."
    NOT_READ_YET 116 "not-read-yet" Error "This kind of policy is not read by this version, so every answer would be incomplete."
    API_VERSION 117 "api-version" Error "The kind does not exist in this API version."
    UNKNOWN_KIND 118 "unknown-kind" Error "The object's kind is missing, or misspelt."
    NUMBER_NOTATION 119 "number-notation" Warning "Kubernetes reads this number differently from how it looks."
    DOCUMENT_BOUNDARY 120 "document-boundary" Error "YAML starts a document here, and `kubectl` does not read it as one."
    AMBIGUOUS_CHARACTER 121 "ambiguous-character" Error "Readers of YAML differ on what this character means."
    INVALID_VALUE 122 "invalid-value" Error "The value is not one of those that the API allows here."
    MISSING_FIELD 123 "missing-field" Error "The API requires a field that is absent here."
    LIST_LENGTH 124 "list-length" Error "A list is longer or shorter than the API allows."
    FIELD_WITHOUT_EFFECT 125 "field-without-effect" Warning "What a field says here has no effect."
    CONFIGURATION 126 "configuration" Error "The configuration file says something that Portcullis does not know."
    SELECTOR_CONTRADICTION 127 "selector-contradiction" Warning "The conditions of a selector exclude each other, so that nothing can match it."

    NAMED_PORT_MANY_NUMBERS 201 "named-port-many-numbers" Warning "One rule's port name means different numbers on pods that it reaches."
    NAMED_PORT_OTHER_NUMBER_ELSEWHERE 202 "named-port-other-number-elsewhere" Warning "The port name means another number on a pod that the rule does not reach."
    NAMED_PORT_AMBIGUOUS_DENY 203 "named-port-ambiguous-deny" Error "A deny rule's port name is ambiguous; an engine that skips it leaves the traffic open."
    NAMED_PORT_UNDEFINED 204 "named-port-undefined" Error "No pod that the rule reaches defines the port name: the rule allows nothing."
    NAMED_PORT_UNDEFINED_DENY 205 "named-port-undefined-deny" Error "No pod that the rule reaches defines the port name: the rule denies nothing."
    NAMED_PORT_PARTLY_DEFINED 206 "named-port-partly-defined" Warning "Only some of the pods that the rule reaches define the port name."
    NAMED_PORT_OTHER_PROTOCOL 207 "named-port-other-protocol" Error "The port name is defined with another protocol than the rule's."
    NAMED_PORT_TWICE_IN_POD 208 "named-port-twice-in-pod" Warning "One pod defines the port name more than once."
    NAMED_PORT_ON_INIT_CONTAINER 209 "named-port-on-init-container" Warning "Only an init or sidecar container defines the port name, and engines differ on whether it counts."
    PORT_NAME_INVALID 210 "port-name-invalid" Error "The text is not a valid port name, or reads like a number and is not one."
    END_PORT_WITH_NAME 211 "end-port-with-name" Error "A port range cannot start at a name."
    SERVICE_PORT_IN_POLICY 212 "service-port-in-policy" Warning "The port is the Service's, where the container's is needed."
    NAMED_PORT_WITHOUT_POD 213 "named-port-without-pod" Error "The peers have no container ports, so the port name means nothing towards them."
    NAMED_PORT_ACROSS_POLICIES 214 "named-port-across-policies" Note "Two policies use one port name with different numbers."
    NAMED_PORT_AND_NUMBER 215 "named-port-and-number" Warning "A numeric rule and a named rule of opposite verdicts meet on some pods only."
    NAMED_PORT_ACROSS_REVISIONS 216 "named-port-across-revisions" Warning "The port name's number differs between revisions of one workload."
    NAMED_PORT_ACROSS_NAMESPACES 217 "named-port-across-namespaces" Warning "In a cluster-wide policy, the port name's number differs across namespaces."
    NUMBER_NAMED_ON_SOME_PODS 218 "number-named-on-some-pods" Note "One of the reached pods publishes this number under a name and another does not."

    RULE_NEVER_MATCHES 301 "rule-never-matches" Warning "No flow can match the rule."
    RULE_REDUNDANT 302 "rule-redundant" Note "Other rules already decide every flow that the rule matches."
    ALLOW_CUT_BY_DENY 303 "allow-cut-by-deny" Warning "Deny rules take away everything that the rule allows."
    ALLOW_PARTLY_CUT_BY_DENY 304 "allow-partly-cut-by-deny" Note "Deny rules take away part of what the rule allows."
    DENY_WITHOUT_EFFECT 305 "deny-without-effect" Note "Everything that the rule denies is denied without it."
    HALF_OPEN_PATH 306 "half-open-path" Warning "One side allows the flow and the other side denies it."
    DEFAULT_DENY_DISAGREEMENT 307 "default-deny-disagreement" Warning "Policies that select the same pods disagree about default deny."
    EXCEPTION_REOPENED 308 "exception-reopened" Warning "Another rule allows what an exception cuts out."
    SHADOWED_BY_PRIORITY 309 "shadowed-by-priority" Warning "A rule of higher priority decides every flow that this rule matches."
    SAME_PRIORITY 310 "same-priority" Warning "Two policies of one tier and priority decide the same flow differently, and the API leaves open which one wins."

    GUARANTEE_VIOLATED 401 "guarantee-violated" Error "A guarantee does not hold."
    GUARANTEE_VACUOUS 402 "guarantee-vacuous" Warning "A guarantee holds only because nothing can match it."
    NEW_ACCESS 403 "new-access" Error "A change allows flows that were denied."
    GUARANTEE_UNREADABLE 404 "guarantee-unreadable" Error "The text is not a guarantee, or names a pod that is not there, so nothing is proved."
    GUARANTEE_NAMES_NOTHING 405 "guarantee-names-nothing" Warning "A guarantee names a namespace that nothing in the input is in."

    L7_RULES 501 "l7-rules" Error "The rule looks into requests, which maps and programs alone cannot enforce."
    AUTHENTICATION 502 "authentication" Error "The rule demands mutual authentication, which is not enforceable here."
    TLS 503 "tls" Error "The rule depends on TLS, which is not enforceable here."
    LISTENER 504 "listener" Error "The rule redirects to a listener, which is not enforceable here."
    CLOUD_GROUPS 505 "cloud-groups" Error "The rule names a cloud provider's groups, which are not known here."
    POD_WITHOUT_ADDRESS 506 "pod-without-address" Error "The pod has no address in the input, so programs cannot tell its packets."
    ADDRESS_TWICE 507 "address-twice" Error "Two pods have one address, so programs cannot tell their packets apart."
    HOST_POLICY 508 "host-policy" Warning "The policy applies to nodes: it is checked and shown, and not enforced here."
    DOMAIN_NAMES 509 "domain-names" Error "The rule names peers by DNS, whose addresses are known only where DNS is watched."

    POLICY_SELECTS_NOTHING 601 "policy-selects-nothing" Warning "The policy selects no pod."
    PEER_SELECTS_NOTHING 602 "peer-selects-nothing" Warning "A peer selects no pod."
    NAMESPACE_WITHOUT_DEFAULT_DENY 603 "namespace-without-default-deny" Note "No policy of the namespace denies by default."
    DNS_FORGOTTEN 604 "dns-forgotten" Warning "Egress is restricted and DNS is not allowed."
    WORLD_INCLUDES_METADATA_ADDRESS 605 "world-includes-metadata-address" Warning "The rule opens the cloud's metadata address."
    CIDR_INSIDE_CLUSTER_RANGE 606 "cidr-inside-cluster-range" Warning "A CIDR block lies inside the cluster's own address ranges."
    POLICY_TYPES_OMITTED 607 "policy-types-omitted" Note "`policyTypes` is left out and what it defaults to depends on the other fields."
    POLICY_ON_HOST_NETWORK 608 "policy-on-host-network" Warning "The policy selects host-network pods, on which it has no effect."
    DUPLICATE_POLICY_NAME 609 "duplicate-policy-name" Error "Two policies share kind, namespace and name: only one of them will exist."
    NAMESPACE_REPLACED 610 "namespace-replaced" Error "The policy's selector names another namespace, and selects pods of its own instead."
    SELECTOR_REACHES_OUTSIDE 611 "selector-reaches-outside" Error "A pod selector also matches peers that are not pods, such as every address outside the cluster."
    REFERENCE_NOT_IN_INPUT 612 "reference-not-in-input" Warning "The policy refers to an object that is not in the input."
    DUPLICATE_OBJECT 613 "duplicate-object" Warning "Two objects share kind, namespace and name: only one of them will exist."
    UNUSED_ACCEPTANCE 614 "unused-acceptance" Warning "A comment or annotation accepts a finding that is not there."
    ACCEPTANCE_WITHOUT_REASON 615 "acceptance-without-reason" Warning "A comment or annotation accepts a finding and does not say why, so it does not count."
    ACCEPTANCE_EXPIRED 616 "acceptance-expired" Warning "The day until which a finding was accepted has passed, so it counts again."
    ACCEPTANCE_UNREADABLE 617 "acceptance-unreadable" Warning "A comment or annotation for Portcullis cannot be read, so it does not count."
    DOMAIN_NAMES_NEVER_LEARNED 618 "domain-names-never-learned" Warning "A rule names peers by DNS, and no rule lets Cilium watch the pod's DNS."
    PATCH_NOT_APPLIED 619 "patch-not-applied" Warning "A kustomization patches a policy, and patches are not applied here."

    CIDR_AND_PODS 701 "cidr-and-pods" Warning "Engines differ on whether a CIDR matches pods."
    EMPTY_RULE_MEANS_THE_OPPOSITE 702 "empty-rule-means-the-opposite" Warning "An empty rule means the opposite in the other API."
    SECTION_WITHOUT_ITS_TYPE 703 "section-without-its-type" Warning "A section that `policyTypes` leaves out is ignored by Kubernetes and enforced by Cilium."
    NAMED_PORT_BY_ENGINE 704 "named-port-by-engine" Warning "Engines resolve the port name differently."
    OWN_NODE_DENIED 705 "own-node-denied" Warning "Cilium denies the pod's own node as well; here it always reaches its pods."
}

impl Code {
    /// The number behind `PC`.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// The code's place in the registry. `None` cannot happen for a constant of this type.
    #[must_use]
    pub fn entry(self) -> Option<&'static Entry> {
        let at = REGISTRY.binary_search_by_key(&self, |entry| entry.code).ok()?;
        REGISTRY.get(at)
    }

    /// The readable name, such as `named-port-many-numbers`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().map_or("", |entry| entry.name)
    }

    /// The severity unless something says otherwise.
    #[must_use]
    pub fn default_severity(self) -> Severity {
        self.entry().map_or(Severity::Error, |entry| entry.severity)
    }

    /// Finds a code by `PC201`, `pc201` or `named-port-many-numbers`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        REGISTRY
            .iter()
            .find(|entry| entry.name == text || entry.code.to_string().eq_ignore_ascii_case(text))
            .map(|entry| entry.code)
    }

    /// Which of its findings a comment beside them can accept.
    #[must_use]
    pub fn acceptable(self) -> Acceptable {
        match self.0 {
            // What is no text of a manifest, what policies alone are refused for, what `compile` says, and what is
            // wrong with acceptances.
            101 | 103 | 104 | 106 | 108 | 111..=118 | 120 | 121 | 124 | 126 | 501..=507 | 509 | 614..=617 => {
                Acceptable::None
            }
            102 | 105 | 107 | 109 | 110 | 122 | 123 | 210 | 211 | 213 | 609 | 612 => Acceptable::Some,
            _ => Acceptable::All,
        }
    }

    /// Whether it is of the family `PC2xx`.
    #[must_use]
    pub fn is_about_port_names(self) -> bool {
        (200..300).contains(&self.0)
    }

    /// Whether input with this finding could not be read at all: the job could not be done (exit status 2).
    #[must_use]
    pub fn is_unreadable(self) -> bool {
        matches!(self, Self::UNPARSABLE | Self::LIMIT_EXCEEDED)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PC{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_registry_is_sorted_and_names_are_unique() {
        assert!(REGISTRY.is_sorted_by(|a, b| a.code < b.code));
        let names: BTreeSet<_> = REGISTRY.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), REGISTRY.len());
    }

    #[test]
    fn codes_are_found_by_number_and_by_name() {
        for entry in REGISTRY {
            assert_eq!(Code::parse(entry.name), Some(entry.code));
            assert_eq!(
                Code::parse(&entry.code.to_string().to_lowercase()),
                Some(entry.code)
            );
            assert!(entry.summary.ends_with('.'), "{}", entry.code);
        }
        assert_eq!(Code::parse("PC999"), None);
    }
}
