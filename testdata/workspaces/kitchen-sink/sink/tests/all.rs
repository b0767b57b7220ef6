#[test]
fn all() {
    sink_build_tool::run();
    assert_eq!(kitchen_sink::STD, sink_testing::STD);
}
