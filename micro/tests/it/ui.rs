//! What a mistake is told, by the compiler.

#[test]
fn mistakes_are_told_what_to_do() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
