//! Nothing here is hostile.

/// Two.
pub const TWO: u32 = hostile_plain::ONE + 1;
