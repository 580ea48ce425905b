//! Arbitrary bytes as the content of a registry.

use super::{Scope, encoding, validation};

/// Reads bytes as a record. Nothing may panic, and a valid node must be the same after writing and reading.
#[cfg_attr(
    not(fuzzing),
    allow(unreachable_pub, reason = "the fuzz target calls it")
)]
pub fn records(bytes: &[u8]) {
    for node in encoding::decode(bytes).unwrap_or_default() {
        let _ = validation::validate_local(&node);
        if validation::validate(&node, Scope::Machine).is_ok() {
            let again = encoding::decode(&encoding::encode(&node));
            assert_eq!(again.ok().as_deref(), Some(&[node][..]));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    #[test]
    fn records_of_the_corpus_are_read_whole_cut_and_damaged() {
        let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/registry");
        for file in fs::read_dir(corpus).expect("the corpus is there") {
            let path = file.expect("it can be read").path();
            let bytes = fs::read(path).expect("it can be read");
            for end in 0..=bytes.len() {
                super::records(&bytes[..end]);
            }
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] = damaged[at].wrapping_add(1);
                super::records(&damaged);
            }
        }
    }
}
