//! The words that ships and harbours exchange.

/// A greeting.
pub const HELLO: &str = "ahoy";
