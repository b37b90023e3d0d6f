//! What the outbound connections of all contracts share: URLs read with care, one kind of HTTP client, chat models.

pub(crate) mod chat;
pub(crate) mod url;

use std::sync::OnceLock;

use reqwest::ClientBuilder;
use reqwest::redirect::Policy;

/// A client that goes where it is sent and nowhere else: no proxy, no redirect, no referer, no cookie.
pub(crate) fn client() -> ClientBuilder {
    install_tls();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
}

/// The TLS implementation is per process; whoever was first is as good.
pub(crate) fn install_tls() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// An error and its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
