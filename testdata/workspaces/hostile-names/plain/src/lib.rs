//! Nothing here is hostile.

/// One.
pub const ONE: u32 = 1;
