//! A leaf of the sample.

/// Whether this build may allocate.
pub const STD: bool = cfg!(feature = "std");
