//! Safe wrappers over the hypervisor's interface.

/// The version of the interface that these wrappers speak.
pub fn api_version() -> u32 {
    mshv_bindings::MSHV_API_VERSION
}
