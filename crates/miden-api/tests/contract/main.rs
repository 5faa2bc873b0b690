//! The contract over real sockets, with clients that put exactly its bytes on the wire.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod clients;
mod generations;
mod health;
mod hostile;
mod identity;
mod leaving;
mod limits;
mod load;
mod support;
mod web;
