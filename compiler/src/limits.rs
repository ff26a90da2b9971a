//! How much input is read before it is refused.

/// Bounds on input. Each one exceeded is a `PC113` finding, never a crash or an endless run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file. More than 4 GiB is never read, whatever is set here.
    pub bytes: u64,
    /// Documents in one file.
    pub documents: usize,
    /// Nodes (mappings, sequences, keys, scalars) written in one document.
    pub nodes: usize,
    /// Nodes of one document after aliases and merge keys are expanded.
    pub expanded_nodes: u64,
    /// Nesting of mappings and sequences, aliases expanded.
    pub depth: usize,
}

/// Far above real manifests: the largest in everyday use (a monitoring stack's CRDs) has some 2 MB and 60,000 nodes.
impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            documents: 100_000,
            nodes: 4_000_000,
            expanded_nodes: 4_000_000,
            depth: 128,
        }
    }
}
