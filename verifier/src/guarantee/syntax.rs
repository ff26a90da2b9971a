//! What a file of guarantees says, before it is held against a model.

use std::ops::Range;

use ir::peer::PeerMatch;
use ir::port::PortMatch;

/// A piece of syntax with the bytes that it was written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The piece.
    pub value: T,
    /// Its bytes.
    pub span: Range<usize>,
}

/// One guarantee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// How much it matters.
    pub severity: Severity,
    /// Its name, if it has one.
    pub name: Option<Spanned<String>>,
    /// The sentence, without severity and name.
    pub span: Range<usize>,
    /// What it says.
    pub form: Form,
    /// On which ports; `None` for every protocol and port.
    pub ports: Option<Vec<PortMatch>>,
    /// Flows that it does not speak of.
    pub exceptions: Vec<Exception>,
    /// Whether it speaks only of pods that are in the input.
    pub existing: bool,
}

/// How much it matters that a guarantee does not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Severity {
    /// It must hold.
    #[default]
    Error,
    /// It should.
    Warning,
    /// It is good to know.
    Note,
}

/// The forms of guarantees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// No flow from one of the first to one of the second is allowed.
    Never(Ends, Ends),
    /// Every flow from one of the first to one of the second is allowed.
    Always(Ends, Ends),
    /// Every allowed flow to one of the second comes from one of the first.
    Only(Ends, Ends),
    /// No flow between one of these and anything else is allowed, either way.
    Isolated(Ends),
}

/// Who stands at one end: one of these.
pub type Ends = Vec<Spanned<End>>;

/// One description of an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Pods by namespace and labels, nodes, addresses outside the cluster, or a named class.
    Matching(PeerMatch),
    /// The pods of one workload of the input, or one pod of it.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// Flows that a guarantee does not speak of: those that fit all that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// From one of these.
    pub from: Option<Ends>,
    /// To one of these.
    pub to: Option<Ends>,
    /// On these ports.
    pub ports: Option<Vec<PortMatch>>,
}
