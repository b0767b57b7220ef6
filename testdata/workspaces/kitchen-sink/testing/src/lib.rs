//! What tests share.

/// What tests expect.
pub const STD: bool = true;
