//! Texts that leave the host: secrets removed, control characters flattened, length bounded.

/// Words after which a secret may stand, in any case.
const SECRET_WORDS: [&str; 10] = [
    "proxy-authorization",
    "authorization",
    "set-cookie",
    "cookie",
    "x-api-key",
    "x-auth-token",
    "api-key",
    "password",
    "secret",
    "token",
];

/// What stands for a removed secret.
const REDACTED: &str = "<redacted>";

/// What stands for what was cut off.
const ELLIPSIS: char = '…';

/// A text as it may leave the host: redacted, without control characters except newline and tab, and at most `most`
/// bytes long before the `…` that says that it was cut.
pub(super) fn safe(text: &str, most: usize) -> String {
    // Bounded first, with room for what redaction removes: a guest may make texts of any length.
    let head = head(text, most.saturating_mul(4).max(4096));
    let flat: String = head
        .chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    let redacted = redact(&flat);
    if redacted.len() <= most && head.len() == text.len() {
        return redacted;
    }
    let mut cut = super::text::head(&redacted, most).to_owned();
    cut.push(ELLIPSIS);
    cut
}

/// Removes what follows a word that announces a secret: the separators ` = : tab` are kept, everything behind them up to
/// the next blank, comma, semicolon or line end goes.
pub(super) fn redact(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some((start, word)) = next_word(&lower, at) {
        let after = start + word.len();
        let separators = lower[after..]
            .find(|c| !matches!(c, ' ' | '=' | ':' | '\t'))
            .unwrap_or(lower.len() - after);
        let secret = after + separators;
        let end = lower[secret..]
            .find([' ', ',', ';', '\r', '\n'])
            .map_or(lower.len(), |length| secret + length);
        out.push_str(&text[at..secret]);
        if end > secret {
            out.push_str(REDACTED);
        }
        at = end;
    }
    out.push_str(&text[at..]);
    out
}

/// The earliest word from `at` on, and of those that start there the longest.
fn next_word(lower: &str, at: usize) -> Option<(usize, &'static str)> {
    SECRET_WORDS
        .iter()
        .filter_map(|word| {
            lower[at..]
                .find(word)
                .map(|found| (at + found, std::cmp::Reverse(word.len()), *word))
        })
        .min()
        .map(|(start, _, word)| (start, word))
}

/// The longest head of at most `most` bytes that ends at a character boundary.
pub(super) fn head(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_their_names_stay() {
        for (text, expected) in [
            ("Authorization: Bearer abc", "Authorization: <redacted> abc"),
            ("x-api-key=abc; next", "x-api-key=<redacted>; next"),
            ("my TOKEN: tä, more", "my TOKEN: <redacted>, more"),
            ("token.txt", "token<redacted>"),
            ("a/b.txt", "a/b.txt"),
            ("the secret", "the secret"),
            ("proxy-authorization=x", "proxy-authorization=<redacted>"),
            ("cookie a cookie b", "cookie <redacted> cookie <redacted>"),
        ] {
            assert_eq!(redact(text), expected, "{text}");
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let long = "ä".repeat(400);
        for most in [511, 512] {
            let cut = safe(&long, most);
            assert!(
                cut.len() <= most + ELLIPSIS.len_utf8() && cut.ends_with("ä…"),
                "{most}"
            );
        }
        assert_eq!(safe(&"x".repeat(512), 512).len(), 512);
        assert_eq!(safe("a\u{0}b\r\n\tc", 512), "a b \n\tc");
        assert_eq!(safe(&"€".repeat(1 << 20), 512).chars().count(), 171);
    }
}
