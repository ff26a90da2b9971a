//! Why pairs are open or closed: each reason once, however many pairs share it.
//!
//! What a pair's explanation consists of, the source's egress and the destination's ingress, is kept by side: many pairs
//! share one. An open pair has an article that leads to both, so that it can be read without the script; a closed one
//! names its sides in its cell.

use super::pairs::{Explanation, Pairs, Reason, Side};
use super::{Contents, MOST_IN_MATRIX, snippet};
use ir::cluster::Family;
use ir::policy::Direction;
use maud::{Markup, html};

/// The section.
pub(super) fn section(report: &Contents<'_>, pairs: &Pairs) -> Markup {
    html! {
        section #why {
            @if pairs.ends.len() <= MOST_IN_MATRIX {
                details {
                    summary { h2 { "Why" } }
                    p.hint { "What the cells of the matrix lead to. Each holds for every pair that leads to it." }
                    @for (number, explanation) in pairs.explanations.iter().enumerate() {
                        @if !explanation.is_closed_inside() {
                            article id=(format!("why-{number}")) { (explain(explanation)) }
                        }
                    }
                    @for (number, side) in pairs.sides.iter().enumerate() {
                        article id=(format!("side-{number}")) { (explain_side(report, side)) }
                    }
                }
            }
        }
    }
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
            Explanation::Outside(blocks) => {
                @if blocks.is_empty() {
                    h3.closed { "Closed for every address outside" }
                } @else {
                    h3.opened { "Open for addresses outside" }
                    ul {
                        @for (peer, ports) in blocks { li { (peer) ": " (ports) } }
                    }
                }
            }
        }
    }
}

fn explain_side(report: &Contents<'_>, side: &Side) -> Markup {
    let whose = match side.direction {
        Direction::Egress => "Egress of the source",
        Direction::Ingress => "Ingress of the destination",
    };
    html! {
        @for (family, verdicts) in &side.by_family {
            h4 {
                (whose)
                @match family {
                    Some(Family::V4) => { " over IPv4" }
                    Some(Family::V6) => { " over IPv6" }
                    None => {}
                }
            }
            @for verdict in verdicts {
                p {
                    @if verdict.allowed { b.opened { "open" } } @else { b.closed { "closed" } }
                    " " (verdict.ports) ": " (reason(&verdict.because))
                }
                @match &verdict.because {
                    Reason::Rules(rules) => {
                        @for rule in rules {
                            figure.place {
                                figcaption {
                                    (rule.action.as_str()) " rule of " (rule.policy) ", "
                                    span.where { (rule.origin) }
                                }
                                (snippet::shown(&rule.origin, report.sources))
                            }
                        }
                    }
                    Reason::DefaultDeny(policies) => {
                        ul {
                            @for policy in policies {
                                li { (policy) ", " span.where { (policy.origin) } }
                            }
                        }
                    }
                    Reason::Unrestricted | Reason::NotAnEndpoint | Reason::OwnHost => {}
                }
            }
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
