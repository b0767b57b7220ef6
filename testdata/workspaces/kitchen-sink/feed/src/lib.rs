//! A crate of the private feed.

pub use sink_base::STD;
