//! The number of an identity.

/// One identity: a small number, dense from 0 within one [`Identities`](super::Identities).
///
/// Numbers mean nothing outside the [`Identities`](super::Identities) that gave them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityId(pub u32);
