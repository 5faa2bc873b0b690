//! Generates the Rust types of both generations without a `protoc` binary, and their descriptors for reflection.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["proto/remote_prover.proto", "proto/remote_prover_v1.proto"], ["proto"])?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR for build scripts")?);
    fs::write(out.join("miden_descriptors.bin"), files.encode_to_vec())?;
    // Witnesses and proofs stay where they arrived.
    tonic_prost_build::configure().bytes(".").compile_fds(files)?;
    Ok(())
}
