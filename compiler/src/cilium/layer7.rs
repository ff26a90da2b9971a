//! What a port rule may ask above the transport: read in full, shown, and never enforced here.

use serde::Deserialize;
use std::collections::BTreeMap;

/// Rules by protocol; at most one kind at a time.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Layer7Rules {
    /// HTTP requests.
    pub http: Option<Vec<HttpRule>>,
    /// Kafka requests.
    pub kafka: Option<Vec<KafkaRule>>,
    /// Names that DNS queries may ask for.
    pub dns: Option<Vec<NameMatch>>,
    /// The protocol that `l7` is about.
    pub l7proto: Option<String>,
    /// Key and value pairs of that protocol.
    pub l7: Option<Vec<BTreeMap<String, String>>>,
}

/// A kind of HTTP request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpRule {
    /// Regular expression for the path.
    pub path: Option<String>,
    /// Regular expression for the method.
    pub method: Option<String>,
    /// Regular expression for the host header.
    pub host: Option<String>,
    /// Headers that must be there.
    pub headers: Option<Vec<String>>,
    /// Headers with a value, and what to do when it differs.
    pub header_matches: Option<Vec<HeaderMatch>>,
}

/// A header with a value.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HeaderMatch {
    /// `LOG`, `ADD`, `DELETE`, `REPLACE` or nothing (refuse).
    pub mismatch: Option<String>,
    /// The header.
    pub name: Option<String>,
    /// A secret that holds the value.
    pub secret: Option<Secret>,
    /// The value.
    pub value: Option<String>,
}

/// A kind of Kafka request.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct KafkaRule {
    /// `produce` or `consume`.
    pub role: Option<String>,
    /// The request's key.
    pub api_key: Option<String>,
    /// The request's version.
    pub api_version: Option<String>,
    /// The client's name.
    #[serde(rename = "clientID")]
    pub client_id: Option<String>,
    /// The topic.
    pub topic: Option<String>,
}

/// A DNS name or pattern.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NameMatch {
    /// One name.
    pub match_name: Option<String>,
    /// A pattern with `*`.
    pub match_pattern: Option<String>,
}

/// TLS towards one side.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TlsContext {
    /// The secret with keys and certificates.
    pub secret: Option<Secret>,
    /// Its entry with trusted authorities.
    #[serde(rename = "trustedCA")]
    pub trusted_ca: Option<String>,
    /// Its entry with the certificate.
    pub certificate: Option<String>,
    /// Its entry with the private key.
    pub private_key: Option<String>,
}

/// A secret by name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Secret {
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: Option<String>,
}

/// A proxy listener.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Listener {
    /// Where it is configured.
    pub envoy_config: Option<EnvoyConfig>,
    /// Its name there.
    pub name: Option<String>,
    /// Which of several listeners wins.
    pub priority: Option<i32>,
}

/// A proxy configuration by kind and name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvoyConfig {
    /// `CiliumEnvoyConfig` or `CiliumClusterwideEnvoyConfig`.
    pub kind: Option<String>,
    /// Its name.
    pub name: Option<String>,
}
