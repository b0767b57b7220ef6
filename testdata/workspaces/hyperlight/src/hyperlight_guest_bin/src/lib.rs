//! Entry point and runtime of a guest binary.

#[cfg(feature = "macros")]
pub use hyperlight_guest_macro::guest_function;

/// The size of a guest's stack in bytes.
pub const STACK: usize = 16 * hyperlight_common::PAGE_SIZE;

/// The pages that a guest needs for its heap and its stack.
pub fn pages(heap: usize) -> usize {
    hyperlight_guest::heap_pages(heap) + hyperlight_guest::heap_pages(STACK)
}
