//! The programs on a pod's veth: one for each endpoint and direction, from a [`Plan`] to instructions.
//!
//! ```text
//!  parse ──▶ own address ──▶ identity ──▶ verdict ──allow──▶ track ──▶ pass
//!    │            │                          │                          ▲
//!    │            │                        deny                         │ reply
//!    │            │                          ▼                          │
//!    │            │                  opposite verdict ──▶ conntrack ────┤
//!    ▼            ▼                          ▼                          │ else
//!   drop ◀────────┴──────────────────────────┴──────────────────────────┘
//! ```
//!
//! - *To the pod* (its ingress policy) a program sits at the egress hook of the host's end of the veth pair, *from the
//!   pod* (its egress policy) at the ingress hook.
//! - Between parse and verdict no helper is called.
//! - The node reaches its own pods whatever the policy; so what comes from elsewhere in its name is dropped.
//! - A packet that the policy alone denies is let through when it belongs to a flow that the endpoint's *other*
//!   direction has let through, and still would under the tables in this very object: revocation is immediate, and the
//!   connection table never needs a flush.
//! - What cannot be judged is dropped, under a reason of its own.
//!
//! Registers: `r6` holds the context throughout; from parse to verdict `r7` and `r8` hold the peer's address in host
//! order (IPv4 in `r7`; the upper and lower half of IPv6), `r9` the destination port (or ICMP type). Everything else
//! lives in the stack frame (`frame.rs`).
//!
//! A number that the kernel's verifier knows exactly makes it walk everything that follows once for every value. The
//! column and the matrix row therefore pass through stack slots that it does not follow, which keeps its work proportional to the size of the program.
//!
//! Deliberately absent as yet: tracking of fragments (later fragments are dropped), ICMP errors related to a flow.

mod conntrack;
mod finish;
mod frame;
mod identity;
mod own_address;
mod parse;
mod prologue;
pub mod records;
mod verdict;

use std::collections::BTreeMap;
use std::net::IpAddr;

use records::Reason;

use crate::asm::{AsmError, Assembler, Label, Program};
use crate::source_line::SourceLine;
use crate::tables::Plan;

/// Which of an endpoint's two programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// Packets to the pod: its ingress policy, at the tc egress hook of the host's interface.
    ToPod,
    /// Packets from the pod: its egress policy, at the tc ingress hook of the host's interface.
    FromPod,
}

impl Hook {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ToPod, Self::FromPod];

    /// The number in conntrack keys, counters and events.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::ToPod => 0,
            Self::FromPod => 1,
        }
    }

    /// The other one.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::ToPod => Self::FromPod,
            Self::FromPod => Self::ToPod,
        }
    }

    /// The name of programs at this hook.
    #[must_use]
    pub const fn program_name(self) -> &'static str {
        match self {
            Self::ToPod => "to_pod",
            Self::FromPod => "from_pod",
        }
    }
}

/// What a program is generated from.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Which of the endpoint's programs.
    pub hook: Hook,
    /// The endpoint's number, which events carry.
    pub endpoint: u32,
    /// The endpoint's own addresses. A family without one is dropped.
    pub addresses: &'a [IpAddr],
    /// The addresses of the node that the endpoint is on, its host-network pods' among them. Only what this host sends
    /// itself may come from them.
    pub own_node: &'a [IpAddr],
    /// The tables.
    pub plan: &'a Plan,
    /// The line that code common to all rows is shown with: the policy or the endpoint.
    pub origin: &'a SourceLine,
    /// For each row of the direction's verdict table, the line that makes it.
    pub rows: &'a [SourceLine],
    /// The same for the opposite direction.
    pub opposite_rows: &'a [SourceLine],
}

/// Places that stages jump to when they are done with a packet. Made on demand: the kernel refuses code that nothing
/// leads to.
#[derive(Debug, Default)]
struct Exits(BTreeMap<Reason, Label>);

impl Exits {
    /// Where to go with a packet for this reason.
    fn to(&mut self, asm: &mut Assembler, reason: Reason) -> Label {
        *self.0.entry(reason).or_insert_with(|| asm.label())
    }

    /// The exits in use that let packets through, or those that do not.
    fn used(&self, passes: bool) -> impl Iterator<Item = (Reason, Label)> {
        self.0
            .iter()
            .map(|(reason, label)| (*reason, *label))
            .filter(move |(reason, _)| reason.passes() == passes)
    }
}

/// The program for `subject`.
///
/// # Errors
/// [`AsmError::TooLong`] for a policy that no kernel takes; anything else is a bug of ours.
pub fn emit(subject: &Subject<'_>) -> Result<Program, AsmError> {
    let mut asm = Assembler::new();
    let mut exits = Exits::default();
    asm.mark(subject.origin);
    prologue::emit(&mut asm);
    let parsed = parse::emit(&mut asm, subject.hook, &mut exits);
    own_address::emit(&mut asm, subject, &mut exits, &parsed);
    if !subject.addresses.is_empty() {
        identity::emit(&mut asm, subject, &parsed);
        let (allowed, denied) = (asm.label(), asm.label());
        verdict::own(&mut asm, subject, &mut exits, allowed, denied);
        asm.mark(subject.origin);
        if !subject.plan.own.allows_all() {
            conntrack::reply(&mut asm, subject, &mut exits, denied);
        }
        if !subject.plan.own.denies_all() {
            conntrack::track(&mut asm, subject, &mut exits, allowed);
        }
    }
    finish::emit(&mut asm, subject, &exits);
    asm.finish()
}
