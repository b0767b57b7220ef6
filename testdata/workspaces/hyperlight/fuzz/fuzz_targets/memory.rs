fn main() {
    for bytes in 0..10_000 {
        assert!(hyperlight_host::memory(bytes) * 0x1000 >= bytes);
    }
}
