//! What host and guest agree on.

/// The size of a page in bytes.
pub const PAGE_SIZE: usize = 0x1000;

/// Rounds up to whole pages.
pub fn pages(bytes: usize) -> usize {
    bytes.div_ceil(PAGE_SIZE)
}

#[cfg(test)]
mod tests {
    #[test]
    fn rounds_up() {
        assert_eq!(super::pages(hyperlight_testing::ODD_SIZE), 2);
    }
}
