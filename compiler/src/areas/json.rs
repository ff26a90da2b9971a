//! Sets of flows as JSON, in the answers that have some.

use crate::cite::Ruling;
use crate::cite::json::{WireRuling, wire_ruling};
use crate::diagnostic::Witness;
use ir::flow::Judgement;
use ir::model::Model;
use serde::Serialize;
use verifier::change::{Area, End, Exception, Side};

/// What is opened, or closed.
#[derive(Serialize)]
pub(crate) struct WireAreas<'a> {
    areas: Vec<WireArea<'a>>,
    /// Whether these are all.
    complete: bool,
    /// Why it is not known whether they are.
    unknown: Option<&'a str>,
}

#[derive(Serialize)]
struct WireArea<'a> {
    from: &'a str,
    to: &'a str,
    ports: &'a str,
    besides: &'a [String],
    other_end: Option<&'static str>,
    except: Vec<WireException<'a>>,
    example: WireExample<'a>,
    before: WireJudgement<'a>,
    after: WireJudgement<'a>,
}

#[derive(Serialize)]
struct WireException<'a> {
    from: &'a str,
    to: &'a str,
    ports: &'a str,
    besides: &'a [String],
}

#[derive(Serialize)]
struct WireExample<'a> {
    from: &'a str,
    to: &'a str,
    protocol: &'a str,
    port: Option<u16>,
    from_invented: bool,
    to_invented: bool,
}

#[derive(Serialize)]
struct WireJudgement<'a> {
    allowed: bool,
    egress: WireRuling<'a>,
    ingress: WireRuling<'a>,
}

/// What is opened, or closed, with what its examples cite.
pub(crate) struct Cited<'a> {
    side: &'a Side,
    areas: Vec<CitedArea<'a>>,
}

struct CitedArea<'a> {
    area: &'a Area,
    example: Witness,
    before: [Ruling; 2],
    after: [Ruling; 2],
}

impl<'a> Cited<'a> {
    /// Areas whose judgements are of the models `before` and `after`.
    pub(crate) fn of(side: &'a Side, before: &Model, after: &Model) -> Self {
        let rulings = |model, judgement: &Judgement| {
            [&judgement.egress, &judgement.ingress].map(|decision| Ruling::of(model, decision))
        };
        Self {
            side,
            areas: side
                .areas
                .iter()
                .map(|area| CitedArea {
                    area,
                    example: crate::lints::witness(&area.witness),
                    before: rulings(before, &area.before),
                    after: rulings(after, &area.after),
                })
                .collect(),
        }
    }

    pub(crate) fn wire(&self) -> WireAreas<'_> {
        WireAreas {
            areas: self.areas.iter().map(wire_area).collect(),
            complete: self.side.complete,
            unknown: self.side.unknown.as_deref(),
        }
    }
}

fn wire_area<'a>(cited: &'a CitedArea<'_>) -> WireArea<'a> {
    let CitedArea { area, example, .. } = cited;
    WireArea {
        from: &area.from,
        to: &area.to,
        ports: &area.ports,
        besides: &area.besides,
        other_end: area.other_end.map(|end| match end {
            End::Source => "source",
            End::Destination => "destination",
        }),
        except: area.except.iter().map(wire_exception).collect(),
        example: WireExample {
            from: &example.from,
            to: &example.to,
            protocol: &example.protocol,
            port: example.port,
            from_invented: area.witness.source_invented,
            to_invented: area.witness.destination_invented,
        },
        before: wire_judgement(&cited.before),
        after: wire_judgement(&cited.after),
    }
}

fn wire_exception(exception: &Exception) -> WireException<'_> {
    WireException {
        from: &exception.from,
        to: &exception.to,
        ports: &exception.ports,
        besides: &exception.besides,
    }
}

fn wire_judgement([egress, ingress]: &[Ruling; 2]) -> WireJudgement<'_> {
    WireJudgement {
        allowed: egress.allowed && ingress.allowed,
        egress: wire_ruling(egress),
        ingress: wire_ruling(ingress),
    }
}
