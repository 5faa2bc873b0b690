//! Types with a meaning: spans of time, sizes, secrets, URLs and 32-byte words. Spans are [`std::time::Duration`];
//! the others are newtypes.

mod duration;
mod hex32;
mod secret;
mod size;
mod url;

pub use duration::{DURATION_MAX, format_duration, parse_duration};
pub use hex32::Hex32;
pub use secret::{SECRET_FILE_MAX_BYTES, Secret};
pub use size::ByteSize;
pub use url::{BadUrl, HttpUrl};
