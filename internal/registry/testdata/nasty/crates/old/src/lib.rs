//! old
