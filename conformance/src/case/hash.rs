//! What a case says, as one number: layout and comments do not count.

use sha2::{Digest, Sha256};

use super::syntax::lexer::Line;

/// SHA-256 over the header's words, the tokens of the lines with their levels, and the bytes of files, in hex.
pub(super) fn of(header: &[&str], text: &str, lines: &[Line], files: &[Vec<u8>]) -> String {
    let mut hasher = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    header.iter().for_each(|word| add(word.as_bytes()));
    let base = lines.first().map_or(0, |line| line.level);
    for line in lines {
        add(&(line.level.saturating_sub(base) as u64).to_le_bytes());
        for token in &line.tokens {
            add(text
                .get(token.span.start..token.span.end)
                .unwrap_or_default()
                .as_bytes());
        }
    }
    files.iter().for_each(|file| add(file));
    hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
