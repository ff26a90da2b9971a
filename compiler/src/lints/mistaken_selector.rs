//! What was probably meant by a selector that matches no pod: evidence that a mistake was made.
//!
//! Many selectors of a large input may match nothing, because it leaves pods out. So what is known of the pods of a
//! namespace is worked out once, and not for each selector that asks about them.

use super::surroundings::Surroundings;
use ir::cluster::Endpoint;
use ir::selector::{Attribute, NAMESPACE_NAME_LABEL, Operator, Selector};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError};

impl<'a> Surroundings<'a> {
    /// What was probably meant by a selector that matches no pod; `None` where nothing in the input says that it was
    /// a mistake, and not about pods that the input leaves out.
    #[must_use]
    pub fn mistake(&self, selector: &Selector) -> Option<String> {
        let scope = self.scope(selector);
        if scope.is_empty {
            let label = self.wrong_namespace_label(selector);
            return label.or_else(|| self.misspelt_namespace(selector));
        }
        if let Some(help) = scope.misspelt(selector) {
            return Some(help);
        }
        if let Some(pod) = self.elsewhere(selector) {
            return Some(format!(
                "pods with these labels are in namespace `{}`: select that namespace",
                pod.namespace
            ));
        }
        // The pods that run in a namespace are all there are; templates and bases leave others to be added.
        let named = named_namespaces(selector);
        (!named.is_empty()
            && named
                .into_iter()
                .all(|namespace| scope.running.contains(namespace)))
        .then(|| "compare the labels with those of the pods that run".to_owned())
    }

    /// The first pod that has the labels asked for, whatever its namespace.
    pub(super) fn elsewhere(&self, selector: &Selector) -> Option<&'a Endpoint> {
        let own = part(selector, |attribute| !is_of_namespace(attribute));
        let asks_for_a_label = own
            .requirements()
            .iter()
            .any(|asked| matches!(asked.operator, Operator::In(_)));
        let pods = asks_for_a_label.then(|| self.selected.either(&own))?;
        self.model.cluster.endpoint(pods.iter().next()?)
    }

    /// A namespace that exists and lacks the label by which a selector asks for it.
    fn wrong_namespace_label(&self, selector: &Selector) -> Option<String> {
        selector.requirements().iter().find_map(|asked| {
            let (Attribute::NamespaceLabel(key), Operator::In(values)) = (&asked.attribute, &asked.operator)
            else {
                return None;
            };
            let named = values
                .iter()
                .find(|value| key != NAMESPACE_NAME_LABEL && self.namespace(value).is_some())?;
            Some(format!(
                "namespace `{named}` has no label `{key}`; every namespace has `{NAMESPACE_NAME_LABEL}: {named}`"
            ))
        })
    }

    /// A namespace with pods whose name is nearly the same as that of one which nothing in the input is in.
    fn misspelt_namespace(&self, selector: &Selector) -> Option<String> {
        named_namespaces(selector).into_iter().find_map(|asked| {
            let near = self.near_namespace(asked)?;
            Some(format!(
                "there is no pod in namespace `{asked}`; did you mean `{near}`?"
            ))
        })
    }

    fn near_namespace(&self, asked: &str) -> Option<&'a str> {
        if self.is_named(asked) {
            return None;
        }
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = scopes.near.get(asked) {
            return *known;
        }
        let mut others = self.populated().iter().copied();
        let near = others.find(|other| is_misspelt_namespace(asked, other));
        scopes.near.insert(asked.to_owned(), near);
        near
    }

    /// The pods of the namespaces that a selector asks for, those on the host network included.
    fn scope(&self, selector: &Selector) -> Arc<Scope<'a>> {
        let namespaces = part(selector, is_of_namespace);
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = scopes.known.get(&namespaces) {
            return Arc::clone(known);
        }
        let ids = self.selected.either(&namespaces);
        let pods: Vec<_> = ids
            .iter()
            .filter_map(|id| self.model.cluster.endpoint(id))
            .collect();
        // Namespaces do not overlap. Many different sets of them may, and are not all kept.
        scopes.pods += pods.len();
        if scopes.pods > KEPT * self.model.cluster.endpoints().len() {
            scopes.known.clear();
            scopes.pods = pods.len();
        }
        let scope = Arc::new(Scope::of(&pods));
        scopes.known.insert(namespaces, Arc::clone(&scope));
        scope
    }
}

/// How often all pods may be in scopes that are kept.
const KEPT: usize = 4;

/// What was asked for.
#[derive(Default)]
pub(super) struct Scopes<'a> {
    /// Scopes, by the requirements on namespaces.
    known: BTreeMap<Selector, Arc<Scope<'a>>>,
    pods: usize,
    /// For names of namespaces the one that was probably meant.
    near: HashMap<String, Option<&'a str>>,
}

/// What is known of the pods that a selector may have been meant for.
struct Scope<'a> {
    is_empty: bool,
    /// For each key of a label its values.
    values: HashMap<&'a str, BTreeSet<&'a str>>,
    /// The identifying keys with each value, the first pod's first.
    identifying: HashMap<&'a str, Vec<&'a str>>,
    /// The namespaces with a pod that has an address.
    running: BTreeSet<&'a str>,
}

impl<'a> Scope<'a> {
    fn of(pods: &[&'a Endpoint]) -> Self {
        let mut scope = Self {
            is_empty: pods.is_empty(),
            values: HashMap::new(),
            identifying: HashMap::new(),
            running: BTreeSet::new(),
        };
        for pod in pods {
            for (key, value) in &pod.labels {
                scope.values.entry(key).or_default().insert(value);
                if identifies(key) {
                    let keys = scope.identifying.entry(value).or_default();
                    if !keys.contains(&key.as_str()) {
                        keys.push(key);
                    }
                }
            }
            if !pod.addresses.is_empty() {
                scope.running.insert(&pod.namespace);
            }
        }
        scope
    }

    /// A label that no pod has, beside one that reads nearly the same.
    fn misspelt(&self, selector: &Selector) -> Option<String> {
        let none = BTreeSet::new();
        selector.requirements().iter().find_map(|asked| {
            let (Attribute::Label(key), Operator::In(values)) = (&asked.attribute, &asked.operator) else {
                return None;
            };
            let own = self.values.get(key.as_str()).unwrap_or(&none);
            if values.iter().any(|value| own.contains(value.as_str())) {
                return None;
            }
            values.iter().find_map(|value| {
                if let Some(near) = own.iter().find(|near| is_misspelling(value, near)) {
                    return Some(format!("did you mean `{key}: {near}`?"));
                }
                let mut keys = self.identifying.get(value.as_str()).into_iter().flatten();
                let other = keys
                    .find(|other| identifies(key) && **other != key)
                    .copied()
                    .or_else(|| self.near_key(key, value))?;
                Some(format!("pods have `{other}: {value}`, not `{key}: {value}`"))
            })
        })
    }

    /// A key that reads nearly the same, or the same but for capitals, under which pods have the value.
    fn near_key(&self, asked: &str, value: &str) -> Option<&'a str> {
        let near = self.values.iter().filter(|(key, values)| {
            let is_near = is_misspelling(asked, key) || asked.eq_ignore_ascii_case(key);
            **key != asked && is_near && values.contains(value)
        });
        near.map(|(key, _)| *key).min()
    }
}

/// Whether pods say what they are by this key.
fn identifies(key: &str) -> bool {
    IDENTIFYING.contains(&key)
}

/// A selector's requirements that `which` picks, as a selector of their own.
fn part(selector: &Selector, which: impl Fn(&Attribute) -> bool) -> Selector {
    let asked = selector.requirements().iter();
    Selector::new(asked.filter(|asked| which(&asked.attribute)).cloned())
}

fn is_of_namespace(attribute: &Attribute) -> bool {
    matches!(attribute, Attribute::Namespace | Attribute::NamespaceLabel(_))
}

/// The namespaces that a selector is confined to by name; empty where it is not.
fn named_namespaces(selector: &Selector) -> Vec<&str> {
    let named = selector.requirements().iter().find_map(|asked| {
        let is_name = match &asked.attribute {
            Attribute::Namespace => true,
            Attribute::NamespaceLabel(key) => key == NAMESPACE_NAME_LABEL,
            _ => false,
        };
        match &asked.operator {
            Operator::In(names) if is_name => Some(names),
            _ => None,
        }
    });
    named.into_iter().flatten().map(String::as_str).collect()
}

/// Keys by which pods say what they are: of these the wrong one is easily taken.
const IDENTIFYING: [&str; 5] = ["app", "app.kubernetes.io/name", "k8s-app", "name", "run"];

/// Whether one word was probably meant to be the other. Siblings (`web-1` and `web-2`, `team-a` and `team-b`) are not, and
/// of three letters (`api` and `app`, `dev` and `div`) only the order may be wrong.
fn is_misspelling(one: &str, other: &str) -> bool {
    let length = one.len().min(other.len());
    let allowed = if length >= 8 { 2 } else { 1 };
    // A word is at least as far from another as it is longer.
    let differ_in_length = || one.chars().count().abs_diff(other.chars().count());
    let short_end = |text: &str| {
        let end = text.rsplit(['-', '_', '.']).next().unwrap_or_default();
        end.len() <= 2
    };
    let sorted = |text: &str| {
        let mut letters: Vec<_> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    (length >= 4 || sorted(one) == sorted(other))
        && differ_in_length() <= allowed
        && !letters(one).eq(letters(other))
        && !(short_end(one) && short_end(other))
        && strsim::damerau_levenshtein(one, other) <= allowed
}

/// Whether one namespace was probably meant to be the other: one letter is wrong, or two are changed over. The last part of
/// a name tells environments apart, and so do short parts: `shop-prd` and `shop-pre`, `int-shop` and `uat-shop`.
fn is_misspelt_namespace(asked: &str, other: &str) -> bool {
    if !is_one_edit(asked.as_bytes(), other.as_bytes()) || !is_misspelling(asked, other) {
        return false;
    }
    let (asked, other): (Vec<_>, Vec<_>) = (asked.split('-').collect(), other.split('-').collect());
    if asked.len() != other.len() {
        return true;
    }
    let has_parts = asked.len() > 1;
    let differ_in_the_last = asked.last() != other.last();
    let mut parts = asked.iter().zip(&other).filter(|(asked, other)| asked != other);
    !(has_parts && differ_in_the_last) && parts.all(|(asked, other)| is_misspelling(asked, other))
}

/// Whether one letter more, less or another, or a swap of neighbours, makes one word of the other.
fn is_one_edit(mut one: &[u8], mut other: &[u8]) -> bool {
    if one.len().abs_diff(other.len()) > 1 {
        return false;
    }
    while let ([a, rest @ ..], [b, other_rest @ ..]) = (one, other)
        && a == b
    {
        (one, other) = (rest, other_rest);
    }
    while let ([rest @ .., a], [other_rest @ .., b]) = (one, other)
        && a == b
    {
        (one, other) = (rest, other_rest);
    }
    match (one, other) {
        ([_], [] | [_]) | ([], [_]) => true,
        ([a, b], [c, d]) => (a, b) == (d, c),
        _ => false,
    }
}

fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|letter| !letter.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_namespace_is_sought_once_for_each_name() {
        let model = ir::text::parse("endpoint shop/web\nendpoint shop/api\nendpoint front/web\n").unwrap();
        let ground = crate::lints::Ground::of(&model);
        let around = Surroundings::of(&[], &ground);
        for _ in 0..2 {
            assert_eq!(around.near_namespace("shpo"), Some("shop"));
            assert_eq!(around.near_namespace("back"), None);
        }
        assert_eq!(around.populated(), ["front", "shop"]);
        let near = &around.scopes.lock().unwrap().near;
        assert_eq!(near["shpo"], Some("shop"));
        assert_eq!(near["back"], None);
    }

    #[test]
    fn environments_are_no_misspellings_of_one_another() {
        for (asked, other) in [
            ("shop-int", "shop-uat"),
            ("shop-demo", "shop-dev"),
            ("shop-prd", "shop-pre"),
            ("shop-tst", "shop-stg"),
            ("shop-prod", "shop-prd"),
            ("pre-shop", "prd-shop"),
            ("team-a-shop", "team-b-shop"),
            ("shop-1", "shop-2"),
            ("dev", "div"),
            ("monitoring", "monitoringab"),
            ("shop", "shop"),
        ] {
            assert!(!is_misspelt_namespace(asked, other), "{asked} {other}");
            assert!(!is_misspelt_namespace(other, asked), "{other} {asked}");
        }
        for (asked, other) in [
            ("shpo", "shop"),
            ("shopp", "shop"),
            ("kube-sytem-east", "kube-system-east"),
            ("kubesystem", "kube-system"),
            ("monitoirng", "monitoring"),
            ("chekcout-prod", "checkout-prod"),
        ] {
            assert!(is_misspelt_namespace(asked, other), "{asked} {other}");
            assert!(is_misspelt_namespace(other, asked), "{other} {asked}");
        }
    }
}
