//! The codec in its suite.

use micro_core::codec::contract;

use micro_example::Pretty;

#[test]
fn pretty_passes_the_suite_of_codecs() {
    contract::all(Pretty);
}
