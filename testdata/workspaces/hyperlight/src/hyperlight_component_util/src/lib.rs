//! Reads component descriptions.

/// Turns a name of a description into an identifier.
pub fn identifier(name: &str) -> String {
    name.replace('-', "_")
}
