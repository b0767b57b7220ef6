//! Needs the other.

/// Two.
pub const TWO: u32 = cyc_a::ONE + 1;
