//! What build scripts use.

/// Asks cargo for nothing.
pub fn run() {}
