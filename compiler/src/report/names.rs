//! The port names: who calls which number what, which rules use the name, and what it means to them.

use crate::ports::{self, Definition, Destination, PortName, Use};
use crate::selected::Selected;
use ir::cluster::ContainerRole;
use ir::model::Model;
use ir::port::Protocol;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// So many of a list are shown; the others are folded away.
const SHOWN: usize = 6;

/// The table.
pub(super) fn table(model: &Model) -> Markup {
    let names = ports::names(model, &Selected::by_policies(model));
    html! {
        @if names.is_empty() {
            p { "No pod names a port, and no rule asks for one." }
        } @else {
            div.scroll tabindex="0" {
                table.names {
                    thead { tr { th { "Name" } th { "Number" } th { "Defined by" } th { "Used by" } } }
                    @for (name, entry) in &names { (rows(name, entry)) }
                }
            }
        }
    }
}

fn rows(name: &str, entry: &PortName) -> Markup {
    let mut numbers: BTreeMap<(u16, Protocol), Vec<&Definition>> = BTreeMap::new();
    for definition in &entry.definitions {
        let number = (definition.number, definition.protocol);
        numbers.entry(number).or_default().push(definition);
    }
    let height = numbers.len().max(1);
    html! {
        // Where no rule asks for the name, it does not matter what it means.
        tbody.collision[entry.collides() && !entry.uses.is_empty()] {
            @if numbers.is_empty() {
                tr {
                    (heading(name, entry, height))
                    td colspan="2" { "nobody defines it" }
                    (users(entry, height))
                }
            }
            @for (at, ((number, protocol), definitions)) in numbers.iter().enumerate() {
                tr.idle[!definitions.iter().any(|one| one.counts())] {
                    @if at == 0 { (heading(name, entry, height)) }
                    td { (number) "/" (protocol) }
                    td { (few(definitions, |one| definition(one))) }
                    @if at == 0 { (users(entry, height)) }
                }
            }
        }
    }
}

fn heading(name: &str, entry: &PortName, height: usize) -> Markup {
    let counting: usize = entry.numbers().values().map(|numbers| numbers.len()).sum();
    html! {
        th scope="rowgroup" rowspan=(height) {
            code { (name) }
            @if entry.collides() { span.tag { (counting) " meanings" } }
            @if counting == 0 && !entry.definitions.is_empty() { span.tag { "not defined for rules" } }
        }
    }
}

fn definition(one: &Definition) -> Markup {
    html! {
        (one.namespace) "/" (one.workload.name) (times(one.pods)) " "
        span.where { (one.origin) }
        @if one.role == ContainerRole::Init { " " span.remark { "init container: does not count" } }
        @if one.host_network { " " span.remark { "host network: no rule sees it" } }
    }
}

fn users(entry: &PortName, height: usize) -> Markup {
    html! {
        td rowspan=(height) {
            @if entry.uses.is_empty() { "no rule" } @else { (few(&entry.uses, used)) }
        }
    }
}

fn used(one: &Use) -> Markup {
    let means_something = !one.destinations.is_empty();
    html! {
        (one.action.as_str()) " " (one.direction) " of " (ports::policy_text(&one.policy)) " "
        span.where { (one.origin) }
        div.means {
            @if means_something {
                (few(&one.destinations, destination))
                @if one.without > 0 { "nothing on " (one.without) " more" }
            } @else {
                "means nothing"
            }
        }
    }
}

fn destination(one: &Destination) -> Markup {
    html! { b { (ports::numbers_text(&one.numbers)) } " on " (one.pod) (times(one.pods)) }
}

fn times(pods: usize) -> String {
    match pods {
        1 => String::new(),
        pods => format!(" × {pods}"),
    }
}

/// A list of which only the beginning is unfolded.
fn few<T>(all: &[T], item: impl Fn(&T) -> Markup) -> Markup {
    let (first, rest) = all.split_at(all.len().min(SHOWN));
    html! {
        ul { @for one in first { li { (item(one)) } } }
        @if !rest.is_empty() {
            details {
                summary { "and " (rest.len()) " more" }
                ul { @for one in rest { li { (item(one)) } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::page;

    /// The part of the table that is about a name.
    fn of_name(page: &str, name: &str) -> String {
        let heading = format!("<code>{name}</code>");
        let parts = page.split("<tbody");
        parts
            .filter_map(|part| part.split_once("</tbody>"))
            .map(|(part, _)| part)
            .find(|part| part.contains(&heading))
            .unwrap_or_default()
            .to_owned()
    }

    #[test]
    fn a_name_means_what_the_ports_command_says() {
        let page = page(&[(
            "a.yaml",
            "
apiVersion: v1
kind: Pod
metadata: {name: one, namespace: a}
spec:
  initContainers: [{name: i, image: i, ports: [{name: web, containerPort: 8080}]}]
  containers:
    - name: c
      image: i
      ports:
        - {name: dns, containerPort: 53, protocol: UDP}
        - {name: dns, containerPort: 53, protocol: TCP}
        - {name: http, containerPort: 80}
        - {name: admin, containerPort: 81}
---
apiVersion: v1
kind: Pod
metadata: {name: two, namespace: a}
spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 8080}, {name: admin, containerPort: 8081}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: three, namespace: a}
spec: {hostNetwork: true, containers: [{name: c, image: i, ports: [{name: http, containerPort: 9100}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: a}
spec: {podSelector: {}, ingress: [{ports: [{port: http}, {port: web}, {port: nowhere}]}]}
",
        )]);
        // One number of each of two protocols is no collision.
        assert!(!of_name(&page, "dns").contains("meanings"));
        // A port on the host network is none of the pod's.
        let http = of_name(&page, "http");
        assert!(http.contains(">2 meanings<"), "{http}");
        assert!(http.contains("host network: no rule sees it"), "{http}");
        assert!(
            http.contains("<b>80/TCP</b> on a/one") && http.contains("<b>8080/TCP</b> on a/two"),
            "{http}"
        );
        // A plain init container defines nothing.
        let web = of_name(&page, "web");
        assert!(
            web.contains("init container: does not count") && web.contains("means nothing"),
            "{web}"
        );
        assert!(of_name(&page, "nowhere").contains("nobody defines it"));
        // A collision that no rule meets is told, and not made loud.
        assert!(http.starts_with(" class=\"collision\""), "{http}");
        let admin = of_name(&page, "admin");
        assert!(
            admin.contains(">2 meanings<") && !admin.contains("collision"),
            "{admin}"
        );
    }
}
