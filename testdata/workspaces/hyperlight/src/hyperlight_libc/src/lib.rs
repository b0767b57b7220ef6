//! The C library that guests link.

/// The version of the library.
pub const VERSION: &str = env!("HYPERLIGHT_LIBC_VERSION");
