//! What a run found, as a person reads it: who reached whom on which ports, and loudly what was not as predicted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ir::cluster::Family;
use ir::flow::{Because, Decision};
use ir::port::Protocol;

use super::Report;
use super::evidence::Observation;
use super::party::PartyId;
use super::probe::{PROTOCOLS, Probe, Question};

/// How many kinds of mismatch are told in full.
const MOST_TOLD: usize = 20;

/// The report as text: notes, matrix, mismatches, and the count in the last line.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    let ports: Vec<String> = report.ports.iter().map(ToString::to_string).collect();
    let _ = writeln!(
        text,
        "\nTCP and UDP, IPv4 and IPv6, ports {}\nrows speak, columns listen; a cell shows the ports that were open\n",
        ports.join(" ")
    );
    text.push_str(&grid(report));
    text.push_str(&mismatches(report));
    let unasked = report
        .probes
        .iter()
        .filter(|probe| probe.question == Question::UnsolicitedReply)
        .count();
    let _ = writeln!(
        text,
        "\n{unasked} of the flows are answers that nobody asked for: datagrams, and second halves of TCP handshakes"
    );
    let _ = writeln!(text, "{}", last_line(report));
    text
}

/// `96 flows probed, 96 as predicted`.
#[must_use]
pub fn last_line(report: &Report) -> String {
    let wrong = report.mismatches().count();
    let all = report.probes.len();
    let mut line = format!("{all} flows probed, {} as predicted", all - wrong);
    if wrong > 0 {
        let _ = write!(line, ", {wrong} NOT");
    }
    line
}

/// Aligned columns, numbered: names of pods are long, and there may be many.
fn grid(report: &Report) -> String {
    let number = |id: PartyId| format!("[{}]", id.0 + 1);
    let mut cells: BTreeMap<(PartyId, PartyId), Vec<(&Probe, &Observation)>> = BTreeMap::new();
    for (probe, seen) in report.probes.iter().zip(&report.seen) {
        if probe.question == Question::Open {
            cells
                .entry((probe.source, probe.destination))
                .or_default()
                .push((probe, seen));
        }
    }
    let ids: Vec<PartyId> = (0..report.parties.len()).map(PartyId).collect();
    let mut rows = vec![vec![String::new()]];
    if let Some(head) = rows.first_mut() {
        head.extend(ids.iter().map(|id| number(*id)));
    }
    for (&source, party) in ids.iter().zip(&report.parties) {
        let mut row = vec![format!("{} {}", number(source), party.label)];
        for &destination in &ids {
            row.push(
                cells
                    .get(&(source, destination))
                    .map_or_else(String::new, |cell| open(report, cell)),
            );
        }
        rows.push(row);
    }
    let widths: Vec<usize> = (0..=ids.len())
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in &rows {
        let line: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}", width = *width))
            .collect();
        let _ = writeln!(text, "{}", line.join("  ").trim_end());
    }
    text
}

/// The ports that were open from one party to another: `8080` on both protocols and families, `8080/TCP` on one
/// protocol, `8080/TCP4` on one family of it; `all`, or `·` for none. A `!` stands before anything not as predicted.
fn open(report: &Report, cell: &[(&Probe, &Observation)]) -> String {
    let families: BTreeSet<Family> = cell.iter().map(|(probe, _)| probe.family()).collect();
    let mut by_port: BTreeMap<u16, BTreeSet<(Protocol, Family)>> = BTreeMap::new();
    for (probe, seen) in cell {
        if seen.answered {
            by_port
                .entry(probe.to.port())
                .or_default()
                .insert((probe.protocol, probe.family()));
        }
    }
    let whole = PROTOCOLS.len() * families.len();
    let mut parts = Vec::new();
    if by_port.is_empty() {
        parts.push("·".to_owned());
    } else if by_port.len() == report.ports.len() && by_port.values().all(|open| open.len() == whole) {
        parts.push("all".to_owned());
    } else {
        for (port, open) in &by_port {
            if open.len() == whole {
                parts.push(port.to_string());
                continue;
            }
            for protocol in PROTOCOLS {
                let on: Vec<Family> = families
                    .iter()
                    .copied()
                    .filter(|f| open.contains(&(protocol, *f)))
                    .collect();
                match on.as_slice() {
                    [] => {}
                    [one] if families.len() > 1 => {
                        parts.push(format!(
                            "{port}/{protocol}{}",
                            if *one == Family::V4 { 4 } else { 6 }
                        ));
                    }
                    _ => parts.push(format!("{port}/{protocol}")),
                }
            }
        }
    }
    let wrong = cell
        .iter()
        .any(|(probe, seen)| !super::evidence::as_predicted(probe, seen));
    format!("{}{}", if wrong { "!" } else { "" }, parts.join(" "))
}

/// Every mismatch, those alike under their first: same parties, same reasons, same observation.
fn mismatches(report: &Report) -> String {
    let name = |id: PartyId| {
        report
            .parties
            .get(id.0)
            .map(|party| party.label.clone())
            .unwrap_or_default()
    };
    let mut alike: Vec<(String, String, Vec<&Probe>)> = Vec::new();
    for (probe, seen) in report.mismatches() {
        let head = format!("MISMATCH {} → {}: ", name(probe.source), name(probe.destination));
        let body = account(report, probe, seen, &name);
        match alike
            .iter_mut()
            .find(|(other, told, _)| (other, told) == (&head, &body))
        {
            Some((_, _, probes)) => probes.push(probe),
            None => alike.push((head, body, vec![probe])),
        }
    }
    let mut text = String::new();
    for (head, body, probes) in alike.iter().take(MOST_TOLD) {
        let Some((first, others)) = probes.split_first() else {
            continue;
        };
        let _ = writeln!(text, "\n{head}{}", first.tuple());
        if !others.is_empty() {
            let ports: BTreeSet<u16> = others.iter().map(|probe| probe.to.port()).collect();
            let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
            let _ = writeln!(
                text,
                "  and {} more alike, to ports {}",
                others.len(),
                ports.join(" ")
            );
        }
        text.push_str(body);
    }
    if alike.len() > MOST_TOLD {
        let _ = writeln!(text, "\n… and {} more kinds of mismatch", alike.len() - MOST_TOLD);
    }
    text
}

/// What was predicted of a probe and why, and what was observed.
fn account(report: &Report, probe: &Probe, seen: &Observation, name: &dyn Fn(PartyId) -> String) -> String {
    let mut text = String::new();
    if probe.question == Question::UnsolicitedReply {
        text.push_str("  an answer that nobody asked for\n");
    }
    let verdict = if probe.predicted.allowed() {
        "allowed"
    } else {
        "denied"
    };
    let _ = writeln!(text, "  predicted: {verdict}");
    for (side, who, decision) in [
        ("egress", probe.source, &probe.predicted.egress),
        ("ingress", probe.destination, &probe.predicted.ingress),
    ] {
        let _ = writeln!(text, "    {side} of {}: {}", name(who), reasons(report, decision));
    }
    let _ = writeln!(text, "  observed: {}", seen.describe(name));
    text
}

/// Why one side of a flow is decided as it is, with the lines that decide.
fn reasons(report: &Report, decision: &Decision) -> String {
    let verdict = if decision.allowed { "allowed" } else { "denied" };
    let model = &report.model;
    let because = match &decision.because {
        Because::NotAnEndpoint => "no pod, no policy".to_owned(),
        Because::Loopback => "itself".to_owned(),
        Because::OwnHost => "its own node's host".to_owned(),
        Because::Unrestricted => "no policy in force denies by default".to_owned(),
        Because::Rules(rules) => {
            let origins = rules
                .iter()
                .filter_map(|id| model.rule(*id))
                .map(|rule| rule.origin.to_string());
            format!("by the rule at {}", origins.collect::<Vec<_>>().join(", "))
        }
        Because::DefaultDeny(policies) => {
            let origins = policies
                .iter()
                .filter_map(|id| model.policy(*id))
                .map(|policy| format!("{} ({})", policy.name, policy.origin));
            format!(
                "no rule allows it; denied by default by {}",
                origins.collect::<Vec<_>>().join(", ")
            )
        }
    };
    format!("{verdict}, {because}")
}

#[cfg(test)]
mod tests {
    use super::super::{evidence, party, ports, probe};
    use super::*;

    /// A run in which everything went as predicted, except what `change` does to the observations.
    fn report(change: impl Fn(&Probe, &mut Observation)) -> Report {
        let model = ir::text::parse(
            "node node-a at 192.168.77.1 slice 10.244.1.0/24\n\
             endpoint shop/client labels app=client at 10.244.1.2 on node-a\n\
             endpoint shop/web labels app=web at 10.244.1.3 on node-a ports http 80/TCP\n\
             policy NetworkPolicy shop/web on pods [ns=shop, app=web] denies ingress @ shop.yaml:5:1 {\n  \
               allow ingress from pods [ns=shop, app=client] ports http/TCP @ shop.yaml:9:5\n\
             }\n",
        )
        .unwrap();
        let parties = party::parties(&model);
        let ports = ports::that_matter(&model);
        let probes = probe::plan(&parties, &ports, &|flow| ir::evaluator::evaluate(&model, flow)).unwrap();
        let seen = probes
            .iter()
            .map(|probe| {
                let mut seen = Observation::default();
                if let Some((pod, direction)) = evidence::dropping_program(probe) {
                    seen.dropped.push(evidence::Drop {
                        pod,
                        direction,
                        tuple: probe.tuple(),
                        by_policy: true,
                        reason: "policy".into(),
                    });
                } else {
                    (seen.answered, seen.arrived) = (true, true);
                }
                change(probe, &mut seen);
                seen
            })
            .collect();
        let notes = vec!["a note".to_owned()];
        Report {
            notes,
            model,
            parties,
            ports,
            probes,
            seen,
        }
    }

    #[test]
    fn a_run_as_predicted() {
        insta::assert_snapshot!(render(&report(|_, _| {})));
    }

    #[test]
    fn mismatches_are_loud_and_those_alike_are_one() {
        let report = report(|probe, seen| {
            if probe.to.port() == 80 && probe.protocol == Protocol::Tcp && probe.source == PartyId(0) {
                *seen = Observation::default();
            }
            if probe.protocol == Protocol::Udp && !probe.predicted.allowed() && probe.source == PartyId(0) {
                (seen.answered, seen.arrived) = (true, true);
                seen.dropped.clear();
            }
        });
        insta::assert_snapshot!(render(&report));
    }
}
