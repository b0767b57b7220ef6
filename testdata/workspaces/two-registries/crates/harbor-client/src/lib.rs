//! Talks to a harbour.

/// What the harbour says.
pub fn listen() -> String {
    harbor_core::reply()
}
