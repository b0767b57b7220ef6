//! Tracing inside of a guest.

/// How many records fit into one page.
pub const RECORDS: usize = hyperlight_common::PAGE_SIZE / 64;
