//! From one endpoint's verdict tables to its two object files.

use std::net::IpAddr;

use ir::cluster::{Endpoint, EndpointId};
use ir::identity::AddressMap;
use ir::model::Model;
use ir::policy::Direction;
use ir::table::VerdictTable;
use thiserror::Error;

use crate::asm::AsmError;
use crate::datapath::{self, Hook, Subject, records};
use crate::elf::{self, Object, WriteError};
use crate::origins;
use crate::source_line::{SourceLine, SourceText};
use crate::tables::addresses::Addresses;
use crate::tables::{Plan, TablesError};

/// What one endpoint's programs are compiled from.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Where the rules' origins are found.
    pub model: &'a Model,
    /// The endpoint; its number stands in events.
    pub endpoint: EndpointId,
    /// Its ingress table.
    pub ingress: &'a VerdictTable,
    /// Its egress table.
    pub egress: &'a VerdictTable,
    /// Who has which address.
    pub addresses: &'a AddressMap,
    /// The manifests, for the lines shown beside instructions.
    pub text: &'a dyn SourceText,
}

impl<'a> Input<'a> {
    /// The verdict table that the program at `hook` enforces.
    #[must_use]
    pub fn table(&self, hook: Hook) -> &'a VerdictTable {
        match hook {
            Hook::ToPod => self.ingress,
            Hook::FromPod => self.egress,
        }
    }
}

/// One program, ready to be written.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Which of the endpoint's programs.
    pub hook: Hook,
    /// The file.
    pub object: Object,
    /// The tables it was made from.
    pub plan: Plan,
    /// Instruction slots.
    pub slots: usize,
}

/// Why an endpoint cannot be compiled.
#[derive(Debug, Error)]
pub enum CompileError {
    /// The endpoint is not of the model.
    #[error("there is no endpoint {}", .0.0)]
    NoEndpoint(EndpointId),
    /// A table of the wrong direction; a bug of the caller.
    #[error("the table for {expected:?} is one for {found:?}")]
    WrongDirection {
        /// What it should be.
        expected: Direction,
        /// What it is.
        found: Direction,
    },
    /// The tables cannot be laid out.
    #[error("{endpoint}: {error}")]
    Tables {
        /// The endpoint's name.
        endpoint: String,
        /// Why.
        #[source]
        error: TablesError,
    },
    /// The program cannot be assembled.
    #[error("{endpoint}: {error}")]
    Assemble {
        /// The endpoint's name.
        endpoint: String,
        /// Why.
        #[source]
        error: AsmError,
    },
    /// The object cannot be written.
    #[error("{endpoint}: {error}")]
    Write {
        /// The endpoint's name.
        endpoint: String,
        /// Why.
        #[source]
        error: WriteError,
    },
}

/// Both programs of an endpoint, in the order of [`Hook::ALL`]. Depends on nothing but `input`.
///
/// # Errors
/// See [`CompileError`].
pub fn endpoint(input: &Input<'_>) -> Result<[Compiled; 2], CompileError> {
    for (table, expected) in [
        (input.ingress, Direction::Ingress),
        (input.egress, Direction::Egress),
    ] {
        if table.direction != expected {
            return Err(CompileError::WrongDirection {
                expected,
                found: table.direction,
            });
        }
    }
    let endpoint = input
        .model
        .cluster
        .endpoint(input.endpoint)
        .ok_or(CompileError::NoEndpoint(input.endpoint))?;
    let shared = Shared {
        endpoint,
        addresses: Addresses::new(input.ingress, input.egress, input.addresses)
            .map_err(|error| tables_error(endpoint, error))?,
        own_node: own_node(input),
    };
    Ok([
        program(input, &shared, Hook::ToPod)?,
        program(input, &shared, Hook::FromPod)?,
    ])
}

/// What both programs of an endpoint have in common.
struct Shared<'a> {
    endpoint: &'a Endpoint,
    addresses: Addresses,
    /// See [`own_node`].
    own_node: Vec<IpAddr>,
}

fn tables_error(endpoint: &Endpoint, error: TablesError) -> CompileError {
    CompileError::Tables {
        endpoint: endpoint.to_string(),
        error,
    }
}

fn program(input: &Input<'_>, shared: &Shared<'_>, hook: Hook) -> Result<Compiled, CompileError> {
    let endpoint = shared.endpoint;
    let (own, opposite) = (input.table(hook), input.table(hook.opposite()));
    let plan = Plan::new(own, opposite, &shared.addresses).map_err(|error| tables_error(endpoint, error))?;
    let origin = SourceLine::of(origins::of_table(input.model, endpoint, own), input.text);
    let program = datapath::emit(&Subject {
        hook,
        endpoint: input.endpoint.0,
        addresses: &endpoint.addresses,
        own_node: &shared.own_node,
        plan: &plan,
        origin: &origin,
        rows: &row_lines(input, endpoint, own),
        opposite_rows: &row_lines(input, endpoint, opposite),
    })
    .map_err(|error| CompileError::Assemble {
        endpoint: endpoint.to_string(),
        error,
    })?;
    let object =
        elf::write(hook.program_name(), &program, &records::MAPS, &plan.rodata).map_err(|error| {
            CompileError::Write {
                endpoint: endpoint.to_string(),
                error,
            }
        })?;
    Ok(Compiled {
        hook,
        object,
        plan,
        slots: program.insns.iter().map(|insn| insn.slots()).sum(),
    })
}

/// The addresses that the ingress table lets in whatever the policy: the node's, and its host-network pods'.
fn own_node(input: &Input<'_>) -> Vec<IpAddr> {
    let always = &input.ingress.always;
    let exact = input.addresses.exact.iter();
    exact
        .filter(|(_, identity)| always.contains(identity.0))
        .map(|(address, _)| *address)
        .collect()
}

fn row_lines(input: &Input<'_>, endpoint: &Endpoint, table: &VerdictTable) -> Vec<SourceLine> {
    table
        .rows
        .iter()
        .map(|row| {
            SourceLine::of(
                origins::first_of_row(input.model, endpoint, table, row),
                input.text,
            )
        })
        .collect()
}
