//! The strategy in its suite.

use micro_core::selector::contract;

use micro_example::First;

#[test]
fn first_passes_the_suite_of_strategies() {
    contract::all(|| First);
}
