//! Bindings from component descriptions.

use proc_macro::TokenStream;

/// Expands to the identifier of a name, as a string.
#[proc_macro]
pub fn component_name(input: TokenStream) -> TokenStream {
    let name = input.to_string().replace(['"', ' '], "");
    format!("{:?}", hyperlight_component_util::identifier(&name)).parse().expect("a string literal")
}
