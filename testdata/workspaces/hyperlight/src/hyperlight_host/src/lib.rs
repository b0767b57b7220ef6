//! Runs guests in small virtual machines.

/// The memory of a sandbox, in pages.
pub fn memory(bytes: usize) -> usize {
    hyperlight_common::pages(bytes)
}
