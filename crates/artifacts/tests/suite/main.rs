//! The crate as its users meet it: on a real directory, and over real connections on 127.0.0.1.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod blobs;
mod client;
mod common;
mod download;
mod raw;
mod upload;
