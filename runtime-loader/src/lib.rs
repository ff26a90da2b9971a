//! Placeholder map; replaced with the first module.

pub mod netlink;
pub mod netns;
pub mod sysctl;

pub mod ipam;
pub mod routes;
