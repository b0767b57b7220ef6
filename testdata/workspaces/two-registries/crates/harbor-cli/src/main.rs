fn main() {
    println!("{}", harbor_proto::HELLO);
}
