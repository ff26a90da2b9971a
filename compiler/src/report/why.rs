//! Why pairs are open or closed: each reason once, however many pairs share it.
//!
//! What a pair's explanation consists of, the source's egress and the destination's ingress, is kept by side: many pairs
//! share one. An open pair has an article that leads to both; a closed one names its sides in its cell. Without the
//! script, a workload's article leads to all sides that it has.

use super::deciding::Cited;
use super::holds::{self, Holds, Product};
use super::pairs::{End, Explanation, Pairs};
use super::sides::{Reason, Side, Verdict, Whom};
use super::{Contents, snippet};
use ir::cluster::Family;
use ir::policy::Direction;
use maud::{Markup, html};

/// The section.
pub(super) fn section(report: &Contents<'_>, pairs: &Pairs) -> Markup {
    if pairs.inside.is_empty() {
        return html! {};
    }
    let holds = Holds::of(pairs);
    let explanations = pairs.explanations.iter().zip(&holds.explanations).enumerate();
    let sides = pairs.sides.iter().zip(&holds.sides).enumerate();
    html! {
        section #why {
            details {
                summary { h2 { "Why" } }
                p.hint { "What the cells of the matrix lead to. Each holds for every pair that it names." }
                @for (place, end) in pairs.ends.iter().enumerate() {
                    article id=(format!("of-{place}")) { (of_end(place, end, &holds, pairs)) }
                }
                @for (number, (explanation, products)) in explanations.filter(|(_, (one, _))| !one.is_closed()) {
                    article id=(format!("why-{number}")) {
                        (explain(explanation))
                        (holds_for(products, &pairs.ends))
                    }
                }
                @for (number, (side, products)) in sides {
                    article id=(format!("side-{number}")) {
                        (explain_side(report, side))
                        (holds_for(products, &pairs.ends))
                    }
                }
            }
        }
    }
}

/// The sides of a workload, each by whom it is about.
fn of_end(place: usize, end: &End, holds: &Holds, pairs: &Pairs) -> Markup {
    let [egress, ingress] = holds.of_end.get(place).cloned().unwrap_or_default();
    let others = |side: usize, direction| {
        let products = holds.sides.get(side).into_iter().flatten();
        let others = products.filter_map(move |product| {
            let (own, others) = match direction {
                Direction::Egress => (&product.sources, &product.destinations),
                Direction::Ingress => (&product.destinations, &product.sources),
            };
            own.contains(&place).then_some(others)
        });
        holds::words(&others.flatten().copied().collect(), &pairs.ends)
    };
    html! {
        h3 { (end.peer) }
        @for (sides, direction, said) in [
            (egress, Direction::Egress, "Egress to"),
            (ingress, Direction::Ingress, "Ingress from"),
        ] {
            @if !sides.is_empty() {
                p { (said) }
                ul {
                    @for side in sides { li { a href=(format!("#side-{side}")) { (others(side, direction)) } } }
                }
            }
        }
        (back())
    }
}

/// The pairs that something holds for, and the way back to them; a dialog names its pair itself.
fn holds_for(products: &[Product], ends: &[End]) -> Markup {
    html! {
        div.holds {
            p { "Holds for" }
            ul {
                @for product in products {
                    li { (holds::words(&product.sources, ends)) " → " (holds::words(&product.destinations, ends)) }
                }
            }
            (back())
        }
    }
}

fn back() -> Markup {
    html! { p.back { a href="#matrix" { "Back to the matrix" } } }
}

fn explain(explanation: &Explanation) -> Markup {
    html! {
        @match explanation {
            Explanation::Inside { ports, sides: [egress, ingress] } => {
                h3.opened { "Open: " (ports) }
                p.sides {
                    a href=(format!("#side-{egress}")) { "Egress of the source" }
                    " and "
                    a href=(format!("#side-{ingress}")) { "ingress of the destination" }
                }
            }
            Explanation::Itself => {
                h3 { "The same pod" }
                p { "A pod reaches itself over loopback, whatever policy says; no packet leaves it." }
            }
            Explanation::Outside { ports, side } => {
                h3.opened { "Open for addresses outside: " (ports) }
                p.sides { a href=(format!("#side-{side}")) { "What the workload's policies say" } }
            }
        }
    }
}

fn explain_side(report: &Contents<'_>, side: &Side) -> Markup {
    let (whose, towards) = match side.direction {
        Direction::Egress => ("Egress of the source", "to"),
        Direction::Ingress => ("Ingress of the destination", "from"),
    };
    html! {
        @for (whom, verdicts) in &side.by_whom {
            h4 {
                (whose)
                @match whom {
                    Whom::All => {}
                    Whom::Family(Family::V4) => { " over IPv4" }
                    Whom::Family(Family::V6) => { " over IPv6" }
                    Whom::Outside(peer) => { " " (towards) " " span.blocks { (peer) } }
                    Whom::Rest => { " " (towards) " every other address outside" }
                }
            }
            @for one in verdicts { (verdict(report, one)) }
        }
    }
}

fn verdict(report: &Contents<'_>, verdict: &Verdict) -> Markup {
    html! {
        p {
            @if verdict.allowed { b.opened { "open" } } @else { b.closed { "closed" } }
            " " (verdict.ports) ": " (reason(&verdict.because))
        }
        @match &verdict.because {
            Reason::Rules(rules) => {
                @for Cited { rule, entries } in rules {
                    figure.place {
                        figcaption {
                            (rule.action.as_str()) " rule of " (rule.policy) ", " span.where { (rule.origin) }
                        }
                        (snippet::shown(&rule.origin, entries, report.sources))
                    }
                }
            }
            Reason::DefaultDeny(policies) => {
                ul {
                    @for policy in policies { li { (policy) ", " span.where { (policy.origin) } } }
                }
            }
            Reason::Unrestricted | Reason::NotAnEndpoint | Reason::OwnHost => {}
        }
    }
}

fn reason(because: &Reason) -> &'static str {
    match because {
        Reason::Rules(_) => "decided by",
        Reason::DefaultDeny(_) => "no rule allows it, and these policies deny by default:",
        Reason::Unrestricted => "no policy restricts it",
        Reason::NotAnEndpoint => "a node, or a pod on its network, has no policy of its own",
        Reason::OwnHost => "a node reaches its own pods, whatever policy says",
    }
}
