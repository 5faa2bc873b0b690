//! Generates the Rust types of `proto/prover.proto` without a `protoc` binary.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/prover.proto");
    let files = protox::compile(["proto/prover.proto"], ["proto"])?;
    let mut config = prost_build::Config::new();
    // Maps in a stable order: the same message always has the same bytes.
    config.btree_map(["."]);
    config.compile_fds(files)?;
    Ok(())
}
