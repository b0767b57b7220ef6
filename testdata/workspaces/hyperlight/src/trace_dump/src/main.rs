fn main() {
    println!("{} records in a page", hyperlight_guest_tracing::RECORDS);
}
