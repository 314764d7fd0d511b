//! carecircle.
fn main() {}
