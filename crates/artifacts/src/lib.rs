//! Blobs of Hierophant: where they lie, the signed URLs that open them, and their transfer over HTTP.
//!
//! Invariants: a blob appears whole or not at all, with the size and SHA-256 of the bytes that are there; the first
//! complete writer of an id wins and nobody overwrites it; a transfer holds a bounded amount of memory, whatever its
//! size; every refusal that is worth repeating says so by its type, and by its status on the wire.
//!
//! Not here: which blobs exist, whose they are and how long they stay (rows of the store, decided by the core). The
//! HTTP side asks its [`http::Gate`] for every one of those decisions.

pub mod blobs;
pub mod client;
mod files;
pub mod http;
pub mod mirror;
mod past_cache;
pub mod tokens;

pub use blobs::{Blob, BlobError, BlobSettings, BlobStore, BlobStream, Durability, Listed, NewBlob, Stored};
pub use tokens::{Grant, Holder, Operation, Signer, TokenError};
