//! Bindings to the hypervisor's interface.

/// The version of the interface.
pub const MSHV_API_VERSION: u32 = 1;
