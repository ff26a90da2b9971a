//! The stack frame: offsets from `r10`.
//!
//! The upper part is an event ([`super::records::EVENT`]), which begins with the flow's key: a dropped packet is
//! reported from where it was parsed to.

/// The event.
pub(super) const EVENT: i16 = -56;
/// The flow's key, first part of the event.
pub(super) const KEY: i16 = EVENT;
/// The endpoint's address, 16 bytes in network order.
pub(super) const LOCAL: i16 = EVENT;
/// The peer's address, likewise.
pub(super) const PEER: i16 = EVENT + 16;
/// The endpoint's port, in network order.
pub(super) const LOCAL_PORT: i16 = EVENT + 32;
/// The peer's port, likewise.
pub(super) const PEER_PORT: i16 = EVENT + 34;
/// Protocol number.
pub(super) const PROTOCOL: i16 = EVENT + 36;
/// The hook.
pub(super) const DIRECTION: i16 = EVENT + 37;
/// The endpoint's number.
pub(super) const ENDPOINT: i16 = EVENT + 40;
/// Row of the verdict table.
pub(super) const ROW: i16 = EVENT + 44;
/// Why dropped.
pub(super) const REASON: i16 = EVENT + 48;
/// 4 or 6.
pub(super) const FAMILY: i16 = EVENT + 49;
/// TCP flags or ICMP type.
pub(super) const DETAIL: i16 = EVENT + 50;
/// Length of the packet.
pub(super) const LENGTH: i16 = EVENT + 52;
/// Size of the event.
pub(super) const EVENT_SIZE: i16 = 56;

/// The peer's column, 2 bytes. Not at a multiple of 8: the kernel's verifier follows the value of a spilled register
/// only there (`check_stack_write_fixed_off`).
pub(super) const COLUMN: i16 = -60;
/// Offset of the matrix row in `.rodata`, 4 bytes, placed likewise.
pub(super) const ROW_OFFSET: i16 = -68;
/// Key of a counter, 4 bytes.
pub(super) const COUNTER: i16 = -76;
/// Value for a new conntrack entry, 8 bytes.
pub(super) const NOW: i16 = -88;
