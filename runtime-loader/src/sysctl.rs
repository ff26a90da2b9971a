//! Kernel settings of one network namespace, under `/proc/sys/net`.
//!
//! `/proc/sys/net` shows the settings of the namespace that the *calling thread* is in (`net_ctl_header_lookup`
//! in the kernel's `net/sysctl_net.c`), so these run as jobs of a [`crate::netns::Namespace`].

use std::{fs, io};

/// A setting could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot set {key} to {value}: {source}")]
pub struct SysctlError {
    key: String,
    value: &'static str,
    source: io::Error,
}

/// Settings of a namespace that forwards between its links: a node. Reverse path filtering is off, because a
/// policy's verdict must not depend on a second judge that drops without an event.
pub const ROUTER: &[(&str, &str)] = &[
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv6/conf/default/forwarding", "1"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
    // Nothing is to be learnt from a redirect: pods have one way out.
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
];

/// Settings of a namespace that only speaks for itself: a pod, or the world outside.
pub const HOST: &[(&str, &str)] = &[
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
];

/// Writes settings in the calling thread's network namespace, in order. `default` settings hold for links made
/// afterwards, so this comes before the links.
///
/// # Errors
/// At the first setting that the kernel does not have or does not take.
pub fn write(settings: &'static [(&'static str, &'static str)]) -> Result<(), SysctlError> {
    for (key, value) in settings {
        fs::write(format!("/proc/sys/net/{key}"), value).map_err(|source| SysctlError {
            key: format!("net.{}", key.replace('/', ".")),
            value,
            source,
        })?;
    }
    Ok(())
}
