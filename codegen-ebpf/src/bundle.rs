//! The bundle: every object of a node or cluster, and `bundle.json`, which says what they are.
//!
//! Byte-identical for identical input: endpoints are in the order of the model, JSON members in the order written
//! here, and nothing depends on time, place or the number of threads.

use std::fmt::Write as _;

use ir::cluster::EndpointId;
use ir::model::Model;
use ir::origin::Origin;
use ir::table::VerdictTable;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::compile::{Compiled, Input};
use crate::datapath::Hook;
use crate::datapath::records::{EVENT, MAPS, Reason};
use crate::maps::{FieldType, MapSpec, Record};
use crate::origins;
use crate::tables::Plan;
use crate::tables::exact::Exact;
use crate::tables::intervals::Intervals;
use crate::tables::verdicts::Verdicts;

/// Version of `bundle.json`. A reader refuses one that it does not know.
pub const FORMAT_VERSION: u32 = 1;
/// Name of the description among the bundle's files.
pub const DESCRIPTION: &str = "bundle.json";
/// Name of the directory with the objects.
pub const OBJECTS: &str = "objects";

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Path from the bundle's root, with `/`.
    pub path: String,
    /// Contents.
    pub bytes: Vec<u8>,
}

/// Digest of an input file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct InputDigest {
    /// The file as the user named it.
    pub path: String,
    /// SHA-256 of its contents, in hexadecimal.
    pub sha256: String,
}

impl InputDigest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(path: &str, bytes: &[u8]) -> Self {
        Self {
            path: path.to_owned(),
            sha256: sha256(bytes),
        }
    }
}

/// Why a bundle cannot be described.
#[derive(Debug, Error)]
pub enum BundleError {
    /// An endpoint that is not of the model.
    #[error("there is no endpoint {}", .0.0)]
    NoEndpoint(EndpointId),
    /// A bug of ours.
    #[error("the description cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// Collects compiled endpoints.
#[derive(Debug)]
pub struct Bundle {
    inputs: Vec<InputDigest>,
    endpoints: Vec<(EndpointId, EndpointEntry)>,
    objects: Vec<File>,
}

impl Bundle {
    /// A bundle without endpoints, made from `inputs` in any order.
    #[must_use]
    pub fn new(mut inputs: Vec<InputDigest>) -> Self {
        inputs.sort();
        Self {
            inputs,
            endpoints: Vec::new(),
            objects: Vec::new(),
        }
    }

    /// Adds an endpoint's programs, in any order of endpoints.
    ///
    /// # Errors
    /// [`BundleError::NoEndpoint`]
    pub fn add(&mut self, input: &Input<'_>, programs: [Compiled; 2]) -> Result<(), BundleError> {
        let model = input.model;
        let endpoint = model
            .cluster
            .endpoint(input.endpoint)
            .ok_or(BundleError::NoEndpoint(input.endpoint))?;
        let mut entries = Vec::new();
        for compiled in programs {
            let table = input.table(compiled.hook);
            let path = object_path(input.endpoint, &endpoint.namespace, &endpoint.name, compiled.hook);
            let origin = |origin: &Origin| OriginEntry::of(origin);
            let rows = table
                .rows
                .iter()
                .map(|row| RowEntry {
                    protocol: row.protocol.to_string(),
                    first: row.first,
                    last: row.last,
                    origins: origins::of_row(model, endpoint, table, row)
                        .into_iter()
                        .map(origin)
                        .collect(),
                })
                .collect();
            entries.push(ProgramEntry {
                direction: table.direction.to_string(),
                hook: match compiled.hook {
                    Hook::ToPod => "tcx/egress",
                    Hook::FromPod => "tcx/ingress",
                },
                object: path.clone(),
                sha256: sha256(&compiled.object.bytes),
                instructions: compiled.slots,
                default_deny: policies(model, table),
                tables: TablesEntry::of(&compiled.plan),
                rows,
            });
            self.objects.push(File {
                path,
                bytes: compiled.object.bytes,
            });
        }
        self.endpoints.push((
            input.endpoint,
            EndpointEntry {
                number: input.endpoint.0,
                namespace: endpoint.namespace.clone(),
                name: endpoint.name.clone(),
                node: endpoint.node.clone(),
                addresses: endpoint.addresses.iter().map(ToString::to_string).collect(),
                origin: OriginEntry::of(&endpoint.origin),
                programs: entries,
            },
        ));
        Ok(())
    }

    /// The files, sorted by path.
    ///
    /// # Errors
    /// [`BundleError::Json`]
    pub fn into_files(mut self) -> Result<Vec<File>, BundleError> {
        self.endpoints.sort_by_key(|(id, _)| *id);
        let description = Description {
            format_version: FORMAT_VERSION,
            inputs: self.inputs,
            maps: MAPS.iter().map(MapEntry::of).collect(),
            event: RecordEntry::of(&EVENT),
            reasons: Reason::ALL
                .into_iter()
                .map(|reason| ReasonEntry {
                    number: reason.number(),
                    name: reason.name(),
                    passes: reason.passes(),
                })
                .collect(),
            hooks: Hook::ALL
                .into_iter()
                .map(|hook| HookEntry {
                    number: hook.number(),
                    name: hook.program_name(),
                })
                .collect(),
            endpoints: self.endpoints.into_iter().map(|(_, entry)| entry).collect(),
        };
        let mut bytes = serde_json::to_vec_pretty(&description)?;
        bytes.push(b'\n');
        let mut files = self.objects;
        files.push(File {
            path: DESCRIPTION.to_owned(),
            bytes,
        });
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }
}

/// Unique by the endpoint's number; the names are for people. Nothing that a file system could misread survives.
fn object_path(id: EndpointId, namespace: &str, name: &str, hook: Hook) -> String {
    let safe = |text: &str| -> String {
        text.chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') {
                    c
                } else {
                    '_'
                }
            })
            .collect()
    };
    format!(
        "{OBJECTS}/{:05}-{}-{}-{}.o",
        id.0,
        safe(namespace),
        safe(name),
        hook.program_name()
    )
}

fn policies(model: &Model, table: &VerdictTable) -> Vec<OriginEntry> {
    table
        .default_deny
        .iter()
        .filter_map(|id| model.policy(*id))
        .map(|policy| OriginEntry::of(&policy.origin))
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[derive(Serialize)]
struct Description {
    format_version: u32,
    inputs: Vec<InputDigest>,
    maps: Vec<MapEntry>,
    event: RecordEntry,
    reasons: Vec<ReasonEntry>,
    hooks: Vec<HookEntry>,
    endpoints: Vec<EndpointEntry>,
}

#[derive(Serialize)]
struct MapEntry {
    name: &'static str,
    kind: &'static str,
    max_entries: u32,
    key: Option<RecordEntry>,
    value: Option<RecordEntry>,
}

impl MapEntry {
    fn of(map: &MapSpec) -> Self {
        Self {
            name: map.name,
            kind: map.kind.name(),
            max_entries: map.max_entries,
            key: map.key.as_ref().map(RecordEntry::of),
            value: map.value.as_ref().map(RecordEntry::of),
        }
    }
}

#[derive(Serialize)]
struct RecordEntry {
    size: u32,
    fields: Vec<FieldEntry>,
}

#[derive(Serialize)]
struct FieldEntry {
    name: &'static str,
    offset: u32,
    #[serde(rename = "type")]
    field_type: String,
}

impl RecordEntry {
    fn of(record: &Record) -> Self {
        Self {
            size: record.size,
            fields: record
                .fields
                .iter()
                .map(|field| FieldEntry {
                    name: field.name,
                    offset: field.offset,
                    field_type: match field.field_type {
                        FieldType::Bytes(count) => format!("u8[{count}]"),
                        integer => format!("u{}", integer.size() * 8),
                    },
                })
                .collect(),
        }
    }
}

#[derive(Serialize)]
struct ReasonEntry {
    number: u8,
    name: &'static str,
    passes: bool,
}

#[derive(Serialize)]
struct HookEntry {
    number: u8,
    name: &'static str,
}

#[derive(Debug, Serialize)]
struct EndpointEntry {
    number: u32,
    namespace: String,
    name: String,
    node: Option<String>,
    addresses: Vec<String>,
    origin: OriginEntry,
    programs: Vec<ProgramEntry>,
}

#[derive(Debug, Serialize)]
struct ProgramEntry {
    direction: String,
    hook: &'static str,
    object: String,
    sha256: String,
    instructions: usize,
    /// The policies that deny what no rule allows.
    default_deny: Vec<OriginEntry>,
    tables: TablesEntry,
    /// Rows of the verdict table; events name one by its position.
    rows: Vec<RowEntry>,
}

#[derive(Debug, Serialize)]
struct RowEntry {
    protocol: String,
    first: u16,
    last: u16,
    origins: Vec<OriginEntry>,
}

#[derive(Debug, Serialize)]
struct OriginEntry {
    file: String,
    document: u32,
    path: String,
    line: u32,
    column: u32,
}

impl OriginEntry {
    fn of(origin: &Origin) -> Self {
        Self {
            file: origin.file.to_string(),
            document: origin.document,
            path: origin.path.to_string(),
            line: origin.line,
            column: origin.column,
        }
    }
}

/// Which form each part of the tables took, and how large it is.
#[derive(Debug, Serialize)]
struct TablesEntry {
    bytes: usize,
    columns: u16,
    port_search: &'static str,
    opposite_port_search: &'static str,
    v4_interval_search: &'static str,
    v6_interval_search: &'static str,
    v4_addresses: ExactEntry,
    v6_addresses: ExactEntry,
    v4_intervals: usize,
    v6_intervals: usize,
    verdicts: &'static str,
    matrix_offset: u32,
    matrix_rows: usize,
    matrix_row_bytes: usize,
}

#[derive(Debug, Serialize)]
struct ExactEntry {
    addresses: usize,
    offset: u32,
    buckets: usize,
    bucket_bytes: usize,
}

impl ExactEntry {
    fn of(table: &Exact) -> Self {
        Self {
            addresses: table.keys,
            offset: table.offset,
            buckets: if table.keys == 0 { 0 } else { 1 << table.bits },
            bucket_bytes: 1 << table.shape.bucket_shift(),
        }
    }
}

impl TablesEntry {
    fn of(plan: &Plan) -> Self {
        let looked_up = plan.needs_column();
        let by_port = |verdicts: &Verdicts| {
            if verdicts.is_indexed() {
                "index"
            } else {
                "compare-tree"
            }
        };
        let by_interval = |intervals: &Intervals| match (looked_up, intervals.stored()) {
            (false, _) => "none",
            (true, None) => "compare-tree",
            (true, Some(_)) => "halving",
        };
        let intervals = |intervals: &Intervals| if looked_up { intervals.starts().len() } else { 0 };
        Self {
            bytes: plan.rodata.len(),
            columns: plan.columns,
            port_search: by_port(&plan.own),
            opposite_port_search: by_port(&plan.opposite),
            v4_interval_search: by_interval(&plan.intervals_v4),
            v6_interval_search: by_interval(&plan.intervals_v6),
            v4_addresses: ExactEntry::of(&plan.exact_v4),
            v6_addresses: ExactEntry::of(&plan.exact_v6),
            v4_intervals: intervals(&plan.intervals_v4),
            v6_intervals: intervals(&plan.intervals_v6),
            verdicts: if looked_up { "bit-matrix" } else { "constants" },
            matrix_offset: plan.matrix.start(),
            matrix_rows: plan.matrix.rows(),
            matrix_row_bytes: plan.matrix.stride(),
        }
    }
}
