//! Which line of which policy makes each row of a verdict table.

use ir::cluster::Endpoint;
use ir::model::Model;
use ir::origin::Origin;
use ir::policy::{Action, Rule};
use ir::port::{PortMatch, Ports, Protocol};
use ir::table::{Row, VerdictTable};

/// The origin of a whole table: the first policy in force, or the endpoint when there is none.
#[must_use]
pub fn of_table<'a>(model: &'a Model, endpoint: &'a Endpoint, table: &VerdictTable) -> &'a Origin {
    table
        .default_deny
        .iter()
        .chain(&table.in_force)
        .find_map(|policy| model.policy(*policy))
        .map_or(&endpoint.origin, |policy| &policy.origin)
}

/// Every rule behind a row, in the order in which they are asked, each by the port entry that matches the row where it
/// has one. A row without rules has the table's origin.
#[must_use]
pub fn of_row<'a>(
    model: &'a Model,
    endpoint: &'a Endpoint,
    table: &VerdictTable,
    row: &Row,
) -> Vec<&'a Origin> {
    let mut origins: Vec<&Origin> = table
        .cells(row)
        .into_iter()
        .flat_map(|cells| &cells.rules)
        .filter_map(|matching| model.rule(matching.rule))
        .map(|rule| port_origin(rule, row))
        .collect();
    if origins.is_empty() {
        origins.push(of_table(model, endpoint, table));
    }
    origins
}

/// The one origin to show beside a row: of the first rule that allows and names ports (it is what sets the row apart
/// from its neighbours), else of the first that allows, else of the first.
#[must_use]
pub fn first_of_row<'a>(
    model: &'a Model,
    endpoint: &'a Endpoint,
    table: &VerdictTable,
    row: &Row,
) -> &'a Origin {
    table
        .cells(row)
        .into_iter()
        .flat_map(|cells| &cells.rules)
        .filter_map(|matching| model.rule(matching.rule))
        // The first of the least.
        .min_by_key(|rule| (rule.action != Action::Allow, rule.ports == Ports::Any))
        .map_or_else(|| of_table(model, endpoint, table), |rule| port_origin(rule, row))
}

/// The port entry of `rule` that covers `row`, or the rule.
fn port_origin<'a>(rule: &'a Rule, row: &Row) -> &'a Origin {
    let ports = match &rule.ports {
        Ports::Any => &[][..],
        Ports::OneOf(ports) => ports,
    };
    let covers = |matches: &PortMatch| match matches {
        PortMatch::Numbers {
            protocol,
            first,
            last,
        } => protocol.contains(row.protocol) && *first <= row.first && row.last <= *last,
        PortMatch::Icmp {
            protocol,
            message_type,
        } => *protocol == row.protocol && u16::from(*message_type) == row.first,
        PortMatch::Name { .. } => false,
    };
    // Which number a name has was settled before the table was made; a name of the right protocol must be it.
    let names = |matches: &PortMatch| match matches {
        PortMatch::Name { protocol, .. } => {
            protocol.contains(row.protocol) && row.protocol != Protocol::Other
        }
        PortMatch::Numbers { .. } | PortMatch::Icmp { .. } => false,
    };
    let by_number = ports.iter().find(|port| covers(&port.matches));
    by_number
        .or_else(|| ports.iter().find(|port| names(&port.matches)))
        .map_or(&rule.origin, |port| &port.origin)
}
