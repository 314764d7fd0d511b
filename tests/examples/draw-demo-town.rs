//! Writes `fixtures/demo/` anew, after a change to how the town is drawn.

fn main() -> std::io::Result<()> {
    carecircle_tests::demo::draw().write_to(&carecircle_tests::demo::fixtures())
}
