//! A message with neither serde's derives nor prost's, and one that borrows.

#[derive(micro::Message)]
struct Hello {
    name: String,
}

#[derive(serde::Serialize, serde::Deserialize, micro::Message)]
struct Borrowed<'a> {
    name: &'a str,
}

#[derive(serde::Serialize, serde::Deserialize, micro::Message)]
#[message(proto)]
struct Misspelt {
    name: String,
}

fn main() {}
