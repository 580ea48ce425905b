//! Names that are one in Rust, told before there is code.

use std::{
    fs,
    sync::atomic::{AtomicU32, Ordering},
};

use micro_build::Builder;

/// What is wrong with a file of this text.
fn told(text: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("micro-collisions-{}-{count}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    fs::create_dir_all(&directory).unwrap();
    let mut protos = Vec::new();
    for (index, text) in text.split("---").enumerate() {
        let path = directory.join(format!("p{index}.proto"));
        fs::write(&path, text.trim_start()).unwrap();
        protos.push(path);
    }
    let generated = Builder::new().include(&directory).generate(&protos);
    fs::remove_dir_all(directory).unwrap();
    generated.unwrap_err().to_string()
}

#[test]
fn names_that_are_one_in_rust_are_told_with_their_places() {
    for (text, expected) in [
        (
            "syntax = \"proto3\"; package p;\nenum Foo {\n FOO_A = 0;\n A = 1;\n}",
            "value `FOO_A` of enum `p.Foo` (p0.proto:3) and value `A` of enum `p.Foo` (p0.proto:4) are both `p::Foo::A` in Rust; rename one",
        ),
        (
            "syntax = \"proto3\"; package p;\nmessage Foo_Bar {}\nmessage FooBar {}",
            "message `p.Foo_Bar` (p0.proto:2) and message `p.FooBar` (p0.proto:3) are both `p::FooBar` in Rust; rename one",
        ),
        (
            "syntax = \"proto3\";\nmessage A {}\nservice S {\n rpc GetFoo(A) returns (A);\n rpc getFoo(A) returns (A);\n}",
            "rpc `S.GetFoo` (p0.proto:4) and rpc `S.getFoo` (p0.proto:5) are both `S::get_foo` in Rust; rename one",
        ),
        (
            "syntax = \"proto2\"; package p;\nmessage A {\n optional int32 getURL = 1;\n optional int32 get_url = 2;\n}",
            "field `p.A.getURL` (p0.proto:3) and field `p.A.get_url` (p0.proto:4) are both `p::A::get_url` in Rust; rename one",
        ),
        (
            "syntax = \"proto3\"; package p;\nenum E { E_0 = 0; }\nmessage A {\n E foo = 1;\n E set_foo = 2;\n}",
            "field `p.A.foo` (p0.proto:4) and field `p.A.set_foo` (p0.proto:5) are both `fn p::A::set_foo` in Rust; rename one",
        ),
        (
            "syntax = \"proto2\"; package p;\nmessage A {\n oneof foo { int32 oneURL = 1; int32 one_url = 2; }\n}",
            "are both `p::a::Foo::OneUrl` in Rust",
        ),
        (
            "syntax = \"proto3\"; package p;\nmessage A {\n oneof foo { int32 x = 1; }\n message Foo {}\n message FooOneOf {}\n}",
            "are both `p::a::FooOneOf` in Rust",
        ),
        (
            "syntax = \"proto3\"; package p;\nservice Game {}\nmessage GameServer {}\nmessage GameServiceServer {}",
            "message `p.GameServiceServer` (p0.proto:4) and the server of service `p.Game` (p0.proto:2) are both `p::GameServiceServer` in Rust; rename one",
        ),
        (
            "syntax = \"proto3\"; package p;\nmessage Cluster { message Policy {} }\n---\nsyntax = \"proto3\"; package p.cluster;\nmessage Policy {}",
            "message `p.Cluster.Policy` (p0.proto:2) and message `p.cluster.Policy` (p1.proto:2) are both `p::cluster::Policy` in Rust; rename one",
        ),
        (
            "syntax = \"proto3\"; package p;\nmessage _ {}",
            "message `p._` (p0.proto:2) has no name in Rust, which drops underscores; rename it",
        ),
        (
            "syntax = \"proto3\"; package p;\nenum E { __ = 0; }",
            "value `__` of enum `p.E` (p0.proto:2) has no name in Rust",
        ),
        (
            "syntax = \"proto3\"; package p;\nmessage A {}\nservice S { rpc _(A) returns (A); }",
            "rpc `p.S._` (p0.proto:3) has no name in Rust",
        ),
    ] {
        let told = told(text);
        assert!(told.contains(expected), "{text}\n{told}");
    }
}

#[test]
fn package_and_file_without_one_are_not_the_same_file() {
    let told = told(
        "syntax = \"proto3\";\nmessage A {}\n---\nsyntax = \"proto3\"; package p0;\nmessage B {}",
    );
    assert!(told.contains("two packages are both `p0.rs`"), "{told}");
}
