//! `/session`: replies that are still being written, over HTTP.

/// What a producer may bring at once.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// The longest chunk, in bytes of UTF-8.
    pub chunk_bytes: usize,
    /// The most chunks.
    pub batch: usize,
}
