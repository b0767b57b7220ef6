//! One crate for a feed.
