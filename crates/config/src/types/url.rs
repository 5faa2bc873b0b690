//! The base of an HTTP address: scheme, host, port and an optional path prefix.

use std::{fmt, str::FromStr};

use crate::{
    raw::Raw,
    value::{Mismatch, Value, text},
};

/// Longest URL, in bytes.
const URL_MAX_BYTES: usize = 2048;

/// An `http` or `https` base URL without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpUrl(String);

/// Why a text is not an [`HttpUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Not of the form of a URL.
    #[error("it is not a URL")]
    Form,
    /// Another scheme, or none.
    #[error("it must begin with http:// or https://")]
    Scheme,
    /// A name or password before the host.
    #[error("it must not hold a name or password")]
    UserInfo,
    /// Something after `?` or `#`.
    #[error("it must not hold a query or a fragment")]
    Query,
}

impl HttpUrl {
    /// Takes a URL that is written in the program.
    ///
    /// # Panics
    /// When it is not one: a mistake in the program, found by its first test.
    pub fn literal(text: &'static str) -> Self {
        text.parse().expect("a URL written in the program is well formed")
    }

    /// The text, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl FromStr for HttpUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        if text.len() > URL_MAX_BYTES {
            return Err(BadUrl::Form);
        }
        if text.contains(['?', '#']) {
            return Err(BadUrl::Query);
        }
        let uri: http::Uri = text.parse().map_err(|_| BadUrl::Form)?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            _ => return Err(BadUrl::Scheme),
        }
        let authority = uri.authority().ok_or(BadUrl::Form)?;
        if authority.as_str().contains('@') {
            return Err(BadUrl::UserInfo);
        }
        // What follows the host can only be a port.
        let port_is_sound = authority.port_u16().is_some() || authority.as_str() == authority.host();
        if authority.host().is_empty() || !port_is_sound {
            return Err(BadUrl::Form);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Value for HttpUrl {
    fn type_name() -> String {
        "URL".to_owned()
    }

    fn from_raw(raw: &Raw) -> Result<Self, Mismatch> {
        let expected = || Mismatch::of("a URL such as \"http://127.0.0.1:9000\"");
        let text = text(raw).ok_or_else(expected)?;
        text.parse()
            .map_err(|error: BadUrl| expected().because(error.to_string()))
    }

    fn to_raw(&self) -> Raw {
        Raw::String(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_bases() {
        for (text, base) in [
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("https://proofs.example.org/", "https://proofs.example.org"),
            ("http://[::1]:9010/proofs/", "http://[::1]:9010/proofs"),
        ] {
            assert_eq!(text.parse::<HttpUrl>().unwrap().as_str(), base);
        }
    }

    #[test]
    fn refuses_all_else() {
        for (text, why) in [
            ("", BadUrl::Form),
            ("127.0.0.1:9000", BadUrl::Scheme),
            ("/path", BadUrl::Scheme),
            ("ws://127.0.0.1:9010/ws", BadUrl::Scheme),
            ("http://", BadUrl::Form),
            ("http://host:", BadUrl::Form),
            ("http://host:99999", BadUrl::Form),
            ("http://user:pass@host", BadUrl::UserInfo),
            ("http://host/?a=b", BadUrl::Query),
            ("http://host/#a", BadUrl::Query),
        ] {
            assert_eq!(text.parse::<HttpUrl>(), Err(why), "{text}");
        }
        assert!(
            format!("http://{}", "x".repeat(URL_MAX_BYTES))
                .parse::<HttpUrl>()
                .is_err()
        );
    }
}
