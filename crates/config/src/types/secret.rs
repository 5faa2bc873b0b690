//! A text that must never be printed: tokens, keys.
//!
//! It is given as itself or, better, as `file:PATH`; the file is read when the settings are loaded.

use std::{fmt, fs::File, io::Read};

use crate::{
    raw::Raw,
    value::{Mismatch, Value, text},
};

/// Largest file that a secret is read from, in bytes.
pub const SECRET_FILE_MAX_BYTES: u64 = 64 * 1024;
/// What is shown in place of a secret.
const SHOWN: &str = "<secret>";
/// Says that the rest is the path of the file that holds the secret.
const FILE_PREFIX: &str = "file:";

/// A text that is never printed. Comparing takes the same time wherever two secrets of one length differ.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, to be used and never to be printed.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let (left, right) = (self.0.as_bytes(), other.0.as_bytes());
        let difference = left.iter().zip(right).fold(0, |seen, (a, b)| seen | (a ^ b));
        left.len() == right.len() && std::hint::black_box(difference) == 0
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHOWN)
    }
}

impl Value for Secret {
    const SECRET: bool = true;

    fn type_name() -> String {
        "secret".to_owned()
    }

    fn from_raw(raw: &Raw) -> Result<Self, Mismatch> {
        let expected = || Mismatch::of("a secret text, or \"file:PATH\" of a file that holds it; not empty");
        let given = text(raw).ok_or_else(expected)?;
        let secret = match given.strip_prefix(FILE_PREFIX) {
            Some(path) => read(path).map_err(|reason| expected().because(reason))?,
            None => given.to_owned(),
        };
        if secret.is_empty() {
            Err(expected().because("it is empty"))
        } else {
            Ok(Self(secret))
        }
    }

    fn to_raw(&self) -> Raw {
        Raw::String(SHOWN.to_owned())
    }

    fn to_example(&self) -> Raw {
        Raw::String(self.0.clone())
    }
}

/// The content of a file without the line end that editors add.
fn read(path: &str) -> Result<String, String> {
    let mut content = String::new();
    let read = File::open(path).and_then(|file| file.take(SECRET_FILE_MAX_BYTES + 1).read_to_string(&mut content));
    let bytes = read.map_err(|error| format!("cannot read {path}: {error}"))?;
    if bytes as u64 > SECRET_FILE_MAX_BYTES {
        return Err(format!("{path} is larger than {SECRET_FILE_MAX_BYTES} bytes"));
    }
    Ok(content.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(content: &str) -> Result<Secret, Mismatch> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        Secret::from_raw(&Raw::String(format!("file:{}", file.path().display())))
    }

    #[test]
    fn comes_from_itself_or_from_a_file() {
        assert_eq!(Secret::from_raw(&Raw::Text("abc".into())).unwrap().expose(), "abc");
        assert_eq!(read_from("abc\r\n").unwrap().expose(), "abc");
        assert!(read_from("\n").is_err());
        assert!(Secret::from_raw(&Raw::Text(String::new())).is_err());
        assert!(Secret::from_raw(&Raw::Integer(1)).is_err());
        let missing = Secret::from_raw(&Raw::Text("file:/nonexistent/token".into())).unwrap_err();
        assert!(missing.reason.unwrap().contains("/nonexistent/token"));
    }

    #[test]
    fn the_file_is_bounded() {
        let limit = usize::try_from(SECRET_FILE_MAX_BYTES).unwrap();
        assert_eq!(read_from(&"x".repeat(limit)).unwrap().expose().len(), limit);
        assert!(read_from(&"x".repeat(limit + 1)).is_err());
    }

    #[test]
    fn is_not_printed_and_compares_whole() {
        let secret = Secret::new("hunter2");
        assert_eq!(
            format!("{secret:?} {:?}", secret.to_raw().to_toml()),
            "<secret> \"\\\"<secret>\\\"\""
        );
        assert_eq!(secret, Secret::new("hunter2"));
        assert_ne!(secret, Secret::new("hunter3"));
        assert_ne!(secret, Secret::new("hunter22"));
        assert_ne!(secret, Secret::new(""));
    }
}
