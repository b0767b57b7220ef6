fn main() {
    println!("cloud-hypervisor v{}", env!("CARGO_PKG_VERSION"));
}
