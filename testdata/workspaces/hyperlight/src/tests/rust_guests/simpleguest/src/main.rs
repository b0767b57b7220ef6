#[hyperlight_guest_bin::guest_function]
fn answer() -> usize {
    hyperlight_guest_bin::pages(0x2000)
}

fn main() {
    println!("{}", answer());
}
