//! The settings of the two programs. Their doc comments are the manual: `config init` and the reference page are made
//! from them.

pub mod contemplant;
pub mod hierophant;
mod log;
pub mod miden;
mod token;

pub use log::{Log, LogFormat};
pub use token::{TOKEN_MAX_CHARS, TOKEN_MIN_CHARS};
