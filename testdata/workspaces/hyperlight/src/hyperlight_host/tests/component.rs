#[test]
fn names_are_identifiers() {
    assert_eq!(hyperlight_component_macro::component_name!("wasi-io"), "wasi_io");
    assert_eq!(hyperlight_host::memory(hyperlight_testing::ODD_SIZE), 2);
}
