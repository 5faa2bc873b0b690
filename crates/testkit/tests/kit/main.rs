//! The harness itself: with shell scripts in place of the programs, so that it needs none of them built.

mod cluster;
mod process;
mod proxy;
mod wait;
