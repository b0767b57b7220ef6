//! The C interface for guests.

/// The pages that a guest needs.
#[no_mangle]
pub extern "C" fn hl_pages(heap: usize) -> usize {
    hyperlight_guest_bin::pages(heap)
}
