//! Tested with the crate that needs it.

/// One.
pub const ONE: u32 = 1;

#[cfg(test)]
mod tests {
    #[test]
    fn one_and_one() {
        assert_eq!(cyc_b::TWO, 2);
    }
}
