//! Generates the Rust types of the protos without a `protoc` binary, and their descriptors for reflection.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let served = protox::compile(["proto/network.proto", "proto/artifact.proto"], ["proto"])?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR for build scripts")?);
    fs::write(out.join("sp1_descriptors.bin"), served.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_client(false)
        // Received bytes stay where they arrived: signatures are checked over them.
        .bytes(".")
        // A message that cannot be decoded is the client's mistake for good; tonic's own codec would make it retry.
        .codec_path("crate::codec::PermanentCodec")
        .compile_fds(served)?;
    let kept = protox::compile(["proto/memo.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_server(false)
        .bytes(".")
        .compile_fds(kept)?;
    Ok(())
}
