//! Which device of the node carries an endpoint, and in which network namespace.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use sha2::{Digest, Sha256};

use crate::netns::NETNS_DIR;

/// An endpoint's name, as policies and people use it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointName {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
}

impl EndpointName {
    /// The endpoint `namespace/name`.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The host end of the pod's veth pair: `lxc` and the first 12 hex digits of the SHA-256 of `namespace/name`.
    ///
    /// Fifteen bytes, the most that `IFNAMSIZ` leaves. Neither name can hold a `/`, so two endpoints share a
    /// device name only when 48 bits of the digest collide: 4 in 10¹⁰ for a node of 500 pods.
    #[must_use]
    pub fn host_device(&self) -> String {
        let digest = Sha256::digest(self.to_string().as_bytes());
        let hex: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("lxc{hex}")
    }
}

/// `namespace/name`.
impl fmt::Display for EndpointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A network namespace, by the inode number of its file in `/proc/<pid>/ns/net`: what `lsns -t net` and
/// `ls -i /run/netns` show.
///
/// No two namespaces that live at the same time have the same number. The kernel may give it again when a namespace
/// is gone; by then the old one's devices and filters are gone too, so a mistake between the two does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceNumber(pub u64);

impl NamespaceNumber {
    /// The calling thread's.
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn here() -> io::Result<Self> {
        Ok(Self(fs::metadata("/proc/thread-self/ns/net")?.ino()))
    }

    /// Its name under `/run/netns`, if it has one; the first of many.
    #[must_use]
    pub fn name(self) -> Option<String> {
        let mut names: Vec<_> = fs::read_dir(NETNS_DIR)
            .ok()?
            .flatten()
            // Follows the bind mount; an entry that is no namespace is of another device with numbers of its own.
            .filter(|entry| fs::metadata(entry.path()).is_ok_and(|file| file.ino() == self.0))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names.into_iter().next()
    }
}

/// ``network namespace 4026532177 (`node-a` under /run/netns)``.
impl fmt::Display for NamespaceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "network namespace {}", self.0)?;
        match self.name() {
            Some(name) => write!(f, " (`{name}` under {NETNS_DIR})"),
            None => Ok(()),
        }
    }
}

/// A device of one network namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DevicePlace {
    /// The namespace.
    pub namespace: NamespaceNumber,
    /// The device's name there.
    pub device: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_names_fit_ifnamsiz_and_are_stable() {
        // printf 'shop/web-0' | sha256sum
        let device = EndpointName::new("shop", "web-0").host_device();
        assert_eq!(device, "lxcad0f4c262fc8");
        assert_eq!(device.len(), 15);
        assert_ne!(device, EndpointName::new("shop", "web-1").host_device());
    }
}
