//! What quays have in common.

/// The length of a quay in metres.
pub const LENGTH: u32 = 120;
