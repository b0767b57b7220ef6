//! Looks at quays.

/// Whether a ship fits.
pub fn fits(ship: u32) -> bool {
    ship <= quay_core::LENGTH
}
