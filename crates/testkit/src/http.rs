//! The HTTP client of tests and measurements.

/// A client with default settings. Sees to it that the process has a provider for TLS, which the client does not bring.
///
/// # Panics
/// When the system cannot give a client what it stands on.
pub fn http_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}
