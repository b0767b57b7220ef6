//! Everything.

pub use sink_macros::same;

/// What the base's build script said.
pub const INCLUDE: &str = env!("SINK_INCLUDE");

/// Whether this build may allocate.
pub const STD: bool = base::STD;
