//! The number of an identity.

/// One identity: a small number, dense from 0 within one [`Identities`].
///
/// Numbers mean nothing outside the [`Identities`] that gave them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityId(pub u32);
