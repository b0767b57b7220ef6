//! What only this company knows about harbours.

/// A reply.
pub fn reply() -> String {
    format!("{} yourself", harbor_proto::HELLO)
}
