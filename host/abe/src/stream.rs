//! Long data in authenticated chunks.

/// Smallest chunk.
pub const MIN_CHUNK_BYTES: usize = 4 * 1024;
/// Largest chunk.
pub const MAX_CHUNK_BYTES: usize = 1024 * 1024;
/// Longest plaintext of one body: 2^40 AES blocks, where GCM's advantage is still below 2^-48.
pub const MAX_BODY_BYTES: u64 = 1 << 44;
