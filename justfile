# The menu of what is run here; each line is plain cargo or a script, so `just` is never needed.

# What there is
default:
    @just --list

# Everything that needs the toolchain only
test:
    ./test

# All there is: slow tests, every feature, packages, programs of others, fuzz targets
test-all:
    ./test --all

# What CI runs
ci:
    .ci/run

# Formats everything
format:
    cargo fmt --all

# Lints, warnings as errors
lint:
    cargo clippy --all-targets -- -D warnings

# The documentation, opened
docs:
    cargo doc --no-deps --open

# A service, until it is interrupted
greeter:
    cargo run --release --example greeter

# The `micro` command, such as `just micro list`
micro *arguments:
    cargo run --release -- {{arguments}}

# Ours against its peers: `--quick`, `--json`, `--only CELL`
bench *arguments:
    cargo run --profile dist -p micro-rs-bench -- {{arguments}}

# The conformance suite of Connect, gRPC and gRPC-Web: `server` or `client` for one side; needs Go
conformance *arguments:
    interop/connect/run {{arguments}}

# Licences, duplicates and advisories of dependencies; needs cargo-deny
deny:
    cargo deny check

# Writes the public API of the published libraries into docs/public-api, after a change that is meant
public-api:
    MICRO_UPDATE=1 cargo run -p micro-rs-public-api

# One fuzz target until it is interrupted, such as `just fuzz frames`; needs cargo-fuzz and a nightly toolchain
fuzz target:
    cargo +nightly fuzz run --target-dir target/fuzz {{target}}

# Real servers for tests, such as `just backends up etcd consul3`
backends *arguments:
    tests/backends {{arguments}}
