//! Which device of the node carries an endpoint.

use std::fmt;

use sha2::{Digest, Sha256};

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
