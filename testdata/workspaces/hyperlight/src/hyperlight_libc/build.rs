fn main() {
    // The real crate compiles a C library here; the sample only says where one would be.
    println!("cargo:rerun-if-changed=third_party/version.txt");
    let version = std::fs::read_to_string("third_party/version.txt").expect("third_party/version.txt");
    println!("cargo:rustc-env=HYPERLIGHT_LIBC_VERSION={}", version.trim());
}
