//! What a guest needs to talk to its host.

pub use hyperlight_common::PAGE_SIZE;

/// The pages of a guest's heap.
pub fn heap_pages(bytes: usize) -> usize {
    hyperlight_common::pages(bytes)
}
