//! Findings as JSON: `{"version": 1, "summary": {…}, "incomplete": […], "findings": […]}`.
//!
//! A contract with other programs: fields are added, never renamed or removed. `docs/schemas/check.v1.json` is its JSON
//! Schema. These are wire types of their own; nothing inside the program is serialised as it is.

use super::named_ports::Row;
use super::report::Report;
use super::{Counts, Finding, Fix, escape};
use serde::Serialize;
use std::io::{self, Write};

/// The version of the format.
const VERSION: u32 = 1;

/// What the run read, for the summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Files read, standard input included.
    pub files: usize,
    /// Objects that were read as policy or context.
    pub objects: usize,
    /// Objects of other kinds.
    pub skipped: usize,
}

#[derive(Serialize)]
struct WireReport<'a> {
    version: u32,
    summary: Summary,
    /// Questions that the solver gave up on.
    incomplete: &'a [String],
    findings: Vec<WireFinding<'a>>,
}

#[derive(Serialize)]
pub(crate) struct Summary {
    errors: usize,
    warnings: usize,
    notes: usize,
    accepted: usize,
    files: usize,
    objects: usize,
    skipped: usize,
}

#[derive(Serialize)]
pub(crate) struct WireFinding<'a> {
    code: String,
    name: &'static str,
    severity: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    labels: Vec<WireLabel<'a>>,
    objects: Vec<WireObject<'a>>,
    witness: Option<WireWitness<'a>>,
    accepted: Option<WireAccepted<'a>>,
    /// Absent where the finding is not about port names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    named_ports: Vec<WireNamedPort<'a>>,
    /// Rows of `named_ports` that are left out.
    #[serde(skip_serializing_if = "is_zero")]
    named_ports_left_out: usize,
    /// Absent where engines agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    engines: Option<WireEngines<'a>>,
    /// Absent where no edit is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixes: Vec<WireFix<'a>>,
}

#[derive(Serialize)]
struct WireFix<'a> {
    title: &'a str,
    applicability: &'static str,
    edits: Vec<WireEdit<'a>>,
}

#[derive(Serialize)]
struct WireEdit<'a> {
    file: &'a str,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    replacement: &'a str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[derive(Serialize)]
struct WireNamedPort<'a> {
    /// The first pod.
    pod: String,
    /// How many pods of its workload are alike, itself included.
    pods: usize,
    container: Option<&'a str>,
    name: Option<&'a str>,
    number: Option<u16>,
    protocol: Option<String>,
    file: &'a str,
    line: u32,
    column: u32,
}

#[derive(Serialize)]
struct WireEngines<'a> {
    kubernetes: &'a str,
    cilium_1_20: &'a str,
    cilium_1_19: &'a str,
}

#[derive(Serialize)]
struct WireLabel<'a> {
    file: &'a str,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    text: &'a str,
    primary: bool,
    document: u32,
    path: &'a str,
    /// The file that the place was made from; absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<&'a str>,
}

#[derive(Serialize)]
struct WireObject<'a> {
    kind: &'a str,
    namespace: Option<&'a str>,
    name: &'a str,
}

#[derive(Serialize)]
struct WireWitness<'a> {
    from: &'a str,
    to: &'a str,
    protocol: &'a str,
    port: Option<u16>,
}

#[derive(Serialize)]
struct WireAccepted<'a> {
    reason: &'a str,
    by: &'static str,
}

/// Writes the report and a line break.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
    let wire = WireReport {
        version: VERSION,
        summary: Summary::of(report.findings, &report.scope),
        incomplete: report.undecided,
        findings: report.findings.iter().map(wire).collect(),
    };
    write_pretty(out, &wire)
}

impl Summary {
    pub(crate) fn of(findings: &[Finding], scope: &Scope) -> Self {
        let counts = Counts::of(findings);
        Self {
            errors: counts.errors,
            warnings: counts.warnings,
            notes: counts.notes,
            accepted: counts.accepted,
            files: scope.files,
            objects: scope.objects,
            skipped: scope.skipped,
        }
    }
}

/// Writes any wire type as indented JSON that is safe to print, and a line break.
///
/// # Errors
/// When `out` cannot be written.
pub(crate) fn write_pretty(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let formatter = TerminalSafe(serde_json::ser::PrettyFormatter::new());
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, formatter))?;
    writeln!(out)
}

/// A finding as it goes over the wire.
pub(crate) fn wire(finding: &Finding) -> WireFinding<'_> {
    WireFinding {
        code: finding.code.to_string(),
        name: finding.code.name(),
        severity: finding.severity.as_str(),
        message: &finding.message,
        help: finding.help.as_deref(),
        labels: finding
            .labels
            .iter()
            .map(|label| WireLabel {
                file: &label.origin.file,
                line: label.origin.line,
                column: label.origin.column,
                end_line: label.origin.end_line,
                end_column: label.origin.end_column,
                text: &label.text,
                primary: label.primary,
                document: label.origin.document,
                path: &label.origin.path,
                template: label.template.as_deref(),
            })
            .collect(),
        objects: finding
            .objects
            .iter()
            .map(|object| WireObject {
                kind: &object.kind,
                namespace: object.namespace.as_deref(),
                name: &object.name,
            })
            .collect(),
        witness: finding.witness.as_ref().map(|witness| WireWitness {
            from: &witness.from,
            to: &witness.to,
            protocol: &witness.protocol,
            port: witness.port,
        }),
        accepted: finding.accepted.as_ref().map(|accepted| WireAccepted {
            reason: &accepted.reason,
            by: accepted.by.as_str(),
        }),
        named_ports: finding.named_ports.rows.iter().map(wire_named_port).collect(),
        named_ports_left_out: finding.named_ports.left_out,
        engines: finding.engines.as_ref().map(|engines| WireEngines {
            kubernetes: &engines.kubernetes,
            cilium_1_20: &engines.cilium_1_20,
            cilium_1_19: &engines.cilium_1_19,
        }),
        fixes: finding.fixes.iter().map(wire_fix).collect(),
    }
}

fn wire_fix(fix: &Fix) -> WireFix<'_> {
    WireFix {
        title: &fix.title,
        applicability: fix.applicability.as_str(),
        edits: fix
            .edits
            .iter()
            .map(|edit| WireEdit {
                file: &edit.place.file,
                line: edit.place.line,
                column: edit.place.column,
                end_line: edit.place.end_line,
                end_column: edit.place.end_column,
                replacement: &edit.replacement,
            })
            .collect(),
    }
}

fn wire_named_port(row: &Row) -> WireNamedPort<'_> {
    let port = row.port.as_ref();
    WireNamedPort {
        pod: row.pod.to_string(),
        pods: row.pods,
        container: port.map(|port| port.container.as_str()),
        name: port.and_then(|port| port.name.as_deref()),
        number: port.map(|port| port.number),
        protocol: port.map(|port| port.protocol.to_string()),
        file: &row.origin.file,
        line: row.origin.line,
        column: row.origin.column,
    }
}

/// Pretty JSON in which every character that a terminal acts on, or that begins what a CI runner acts on, is a `\u`
/// escape: the same value to a reader of JSON, and harmless when printed. JSON itself leaves DEL, C1 controls and bidirectional overrides as they are.
struct TerminalSafe(serde_json::ser::PrettyFormatter<'static>);

impl serde_json::ser::Formatter for TerminalSafe {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain_from = 0;
        let acts = |&(at, c): &(usize, char)| {
            escape::is_active(c) || escape::is_command(fragment.get(at..).unwrap_or_default(), false)
        };
        for (at, c) in fragment.char_indices().filter(acts) {
            writer.write_all(fragment.get(plain_from..at).unwrap_or("").as_bytes())?;
            // Every active character lies in the basic plane: one unit.
            write!(writer, "\\u{:04x}", u32::from(c))?;
            plain_from = at + c.len_utf8();
        }
        writer.write_all(fragment.get(plain_from..).unwrap_or("").as_bytes())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}
