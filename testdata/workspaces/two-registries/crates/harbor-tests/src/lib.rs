//! Tests over all crates.

#[test]
fn the_harbour_answers() {
    assert!(harbor_client::listen().starts_with(harbor_proto::HELLO));
}
