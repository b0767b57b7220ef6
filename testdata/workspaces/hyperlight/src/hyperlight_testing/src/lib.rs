//! What the tests of several crates share.

/// A size that is not a multiple of the page size.
pub const ODD_SIZE: usize = 0x1001;
