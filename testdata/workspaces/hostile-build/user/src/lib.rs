hostile_macro::attack!();

pub fn answer() -> u32 {
    42
}
