//! Macros.

use proc_macro::TokenStream;

/// Expands to its input.
#[proc_macro]
pub fn same(input: TokenStream) -> TokenStream {
    input
}
