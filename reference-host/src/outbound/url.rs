//! URLs as guests write them, read so that an allow-list cannot be led astray.

use url::Url;

/// Why a text is no URL pattern, or no URL a guest may ask for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// The text is empty.
    #[error("the text is empty")]
    Empty,
    /// The text holds white space or control characters.
    #[error("white space or a control character")]
    Blank,
    /// The text has no scheme, or another than http and https.
    #[error("the scheme is not `http` or `https`")]
    Scheme,
    /// The text names a user or a password.
    #[error("user information is not allowed")]
    UserInfo,
    /// The host is missing or malformed.
    #[error("the host is malformed: {0}")]
    Host(String),
    /// The port is no number of 1..=65535.
    #[error("the port is malformed")]
    Port,
    /// A pattern has a fragment.
    #[error("a pattern has no fragment")]
    Fragment,
    /// The text is longer than the host reads.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// Any other mistake.
    #[error("{0}")]
    Malformed(String),
}

/// Reads a URL that a guest asks for: http or https, no user, its parts normalised, the fragment dropped.
///
/// # Errors
/// Where the text is not such a URL.
pub fn parse_url(text: &str, max_bytes: usize) -> Result<Url, UrlError> {
    if text.len() > max_bytes {
        return Err(UrlError::TooLong(max_bytes));
    }
    check_text(text)?;
    let mut url = Url::parse(text).map_err(|e| UrlError::Malformed(e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlError::Scheme);
    }
    // `Url` reads `http://@host/` as a URL without a user; the sign itself is refused.
    let authority = text.split_once("://").map_or("", |(_, rest)| {
        rest.split(['/', '?', '#', '\\']).next().unwrap_or("")
    });
    if !url.username().is_empty() || url.password().is_some() || authority.contains('@') {
        return Err(UrlError::UserInfo);
    }
    url.set_fragment(None);
    Ok(url)
}

/// Refuses what the URL standard would drop without a word.
pub(crate) fn check_text(text: &str) -> Result<(), UrlError> {
    if text.is_empty() {
        return Err(UrlError::Empty);
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(UrlError::Blank);
    }
    Ok(())
}
