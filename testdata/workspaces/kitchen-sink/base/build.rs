fn main() {
    println!("cargo:include=here");
}
