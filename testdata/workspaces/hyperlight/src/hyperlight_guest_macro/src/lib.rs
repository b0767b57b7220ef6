//! Macros for guest functions.

use proc_macro::TokenStream;

/// Marks a function that the host may call.
#[proc_macro_attribute]
pub fn guest_function(_attr: TokenStream, item: TokenStream) -> TokenStream {
    item
}
