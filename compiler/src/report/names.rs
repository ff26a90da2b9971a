//! The port names of the pods: who calls which number what, and where one name means several numbers.

use ir::model::Model;
use ir::origin::Origin;
use ir::policy::RuleId;
use ir::port::{PortMatch, Ports};
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// Who defines a name with one number.
type Definers<'m> = BTreeMap<(u16, String), BTreeSet<(String, &'m Origin)>>;

/// Definitions that are listed of one number.
const SHOWN: usize = 6;

/// The table.
pub(super) fn table(model: &Model) -> Markup {
    let mut definitions: BTreeMap<String, Definers<'_>> = BTreeMap::new();
    for pod in model.cluster.endpoints() {
        for port in &pod.ports {
            if let Some(name) = &port.name {
                definitions
                    .entry(name.to_ascii_lowercase())
                    .or_default()
                    .entry((port.number, port.protocol.to_string()))
                    .or_default()
                    .insert((format!("{}/{}", pod.namespace, pod.workload.name), &port.origin));
            }
        }
    }
    let uses = uses(model);
    let names: BTreeSet<&String> = definitions.keys().chain(uses.keys()).collect();
    html! {
        @if names.is_empty() {
            p { "No pod names a port, and no rule asks for one." }
        } @else {
            div.scroll tabindex="0" {
                table.names {
                    thead { tr { th { "Name" } th { "Number" } th { "Defined by" } th { "Used by rules of" } } }
                    tbody {
                        @for name in names {
                            @let numbers = definitions.get(name);
                            (rows(name, numbers, uses.get(name)))
                        }
                    }
                }
            }
        }
    }
}

fn rows(name: &str, numbers: Option<&Definers<'_>>, users: Option<&BTreeSet<(String, &Origin)>>) -> Markup {
    let count = numbers.map_or(0, BTreeMap::len);
    let collides = count > 1;
    let undefined = Definers::from([((0, String::new()), BTreeSet::new())]);
    html! {
        @for (at, ((number, protocol), definers)) in numbers.unwrap_or(&undefined).iter().enumerate() {
            tr.collision[collides] data-name=(name) {
                @if at == 0 {
                    th scope="rowgroup" rowspan=(count.max(1)) {
                        code { (name) }
                        @if collides { span.tag { (count) " meanings" } }
                    }
                }
                td {
                    @if definers.is_empty() { "not defined" } @else { (number) "/" (protocol) }
                }
                td { (places(definers)) }
                @if at == 0 {
                    td rowspan=(count.max(1)) {
                        @match users { Some(users) => (places(users)), None => { "–" } }
                    }
                }
            }
        }
    }
}

fn places(places: &BTreeSet<(String, &Origin)>) -> Markup {
    html! {
        ul {
            @for (who, origin) in places.iter().take(SHOWN) {
                li { (who) " " span.where { (origin) } }
            }
            @if places.len() > SHOWN { li { "and " (places.len() - SHOWN) " more" } }
        }
    }
}

fn uses(model: &Model) -> BTreeMap<String, BTreeSet<(String, &Origin)>> {
    let mut uses: BTreeMap<String, BTreeSet<(String, &Origin)>> = BTreeMap::new();
    for (id, _) in model.policy_ids() {
        for (rule_id, rule) in model.rule_ids(id) {
            let Ports::OneOf(ports) = &rule.ports else {
                continue;
            };
            for port in ports {
                if let PortMatch::Name { name, .. } = &port.matches {
                    let user = (policy_name(model, rule_id), &port.origin);
                    uses.entry(name.to_ascii_lowercase()).or_default().insert(user);
                }
            }
        }
    }
    uses
}

fn policy_name(model: &Model, rule: RuleId) -> String {
    crate::cite::PolicyRef::by_id(model, rule.policy).map_or_else(String::new, |policy| policy.to_string())
}
