//! The token by which workers and coordinator know each other.

use crate::types::Secret;

/// Fewest characters of a token: fewer could be guessed over the network.
pub const TOKEN_MIN_CHARS: usize = 16;
/// Most characters of a token: it travels in a header.
pub const TOKEN_MAX_CHARS: usize = 512;
/// What a token must be, as it is told to people.
pub(super) const TOKEN_EXPECTED: &str = "16 to 512 visible ASCII characters without spaces";

/// Whether a secret can be a token: it must fit into a header as it is.
pub(super) fn is_token(secret: &Secret) -> bool {
    let text = secret.expose();
    (TOKEN_MIN_CHARS..=TOKEN_MAX_CHARS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_a_length_and_no_spaces() {
        assert!(is_token(&Secret::new("x".repeat(TOKEN_MIN_CHARS))));
        assert!(is_token(&Secret::new("x".repeat(TOKEN_MAX_CHARS))));
        assert!(!is_token(&Secret::new("x".repeat(TOKEN_MIN_CHARS - 1))));
        assert!(!is_token(&Secret::new("x".repeat(TOKEN_MAX_CHARS + 1))));
        assert!(!is_token(&Secret::new("sixteen chars ok")));
        assert!(TOKEN_EXPECTED.starts_with(&format!("{TOKEN_MIN_CHARS} to {TOKEN_MAX_CHARS} ")));
    }
}
