//! What stands between quotes: the escapes of WAVE and of JSON, and `\{name}`.

use super::{
    super::{diagnostic::Problem, model::Span},
    ast::Piece,
    cursor::Parsed,
};

/// Decodes a text token; `token` is its place, quotes included, and `raw` its text, quotes included.
pub(crate) fn pieces(raw: &str, token: Span) -> Parsed<Vec<Piece>> {
    let mut reader = Reader {
        raw,
        at: 1,
        end: raw.len().saturating_sub(1).max(1),
        base: token.start,
    };
    let mut pieces = Vec::new();
    let mut literal = String::new();
    while reader.at < reader.end {
        let start = reader.at;
        match reader.next() {
            Some('\\') => match reader.escape(start)? {
                Escape::Char(c) => literal.push(c),
                Escape::Name(name, span) => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(Piece::Name(name, span));
                }
            },
            Some(c) => literal.push(c),
            None => break,
        }
    }
    if !literal.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// Decodes a text that may hold no `\{name}`.
pub(crate) fn plain(raw: &str, token: Span) -> Parsed<String> {
    let mut text = String::new();
    for piece in pieces(raw, token)? {
        match piece {
            Piece::Literal(literal) => text.push_str(&literal),
            Piece::Name(_, span) => {
                let problem = Problem::new(
                    "interpolation",
                    span,
                    "no `\\{...}` in this text",
                    "must be constant",
                );
                return Err(Box::new(problem));
            }
        }
    }
    Ok(text)
}

/// Decodes a character token.
pub(crate) fn character(raw: &str, token: Span) -> Parsed<char> {
    let text = plain(raw, token)?;
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(c),
        _ => Err(Box::new(
            Problem::new(
                "character",
                token,
                "a `char` is exactly one character",
                "not one character",
            )
            .help("text stands in double quotes"),
        )),
    }
}

/// The bytes of `hex "..."`.
pub(crate) fn hex(text: &str, token: Span) -> Parsed<Vec<u8>> {
    let mut digits = Vec::new();
    for c in text.chars().filter(|c| !c.is_ascii_whitespace()) {
        match c.to_digit(16) {
            Some(digit) => digits.push(digit as u8),
            None => {
                return Err(Box::new(Problem::new(
                    "hex",
                    token,
                    format!("{c:?} is no hexadecimal digit"),
                    "not hexadecimal",
                )));
            }
        }
    }
    if digits.len() % 2 != 0 {
        let problem = Problem::new(
            "hex",
            token,
            "an odd number of hexadecimal digits",
            format!("{} digits", digits.len()),
        );
        return Err(Box::new(problem.help("two digits a byte")));
    }
    Ok(digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect())
}

enum Escape {
    Char(char),
    Name(String, Span),
}

struct Reader<'a> {
    raw: &'a str,
    at: usize,
    end: usize,
    base: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.raw.get(self.at..self.end)?.chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn span(&self, start: usize) -> Span {
        Span {
            start: self.base + start,
            end: self.base + self.at,
        }
    }

    fn bad(&self, start: usize, message: &str) -> Box<Problem> {
        let help = r#"escapes: \" \' \\ \/ \n \r \t \b \f \uXXXX \u{X} and \{name}"#;
        Box::new(Problem::new("escape", self.span(start), message, "this escape").help(help))
    }

    fn escape(&mut self, start: usize) -> Parsed<Escape> {
        let c = match self.next() {
            Some(c @ ('"' | '\'' | '\\' | '/')) => c,
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('u') => return self.unicode(start).map(Escape::Char),
            Some('{') => return self.name(start),
            _ => return Err(self.bad(start, "unknown escape")),
        };
        Ok(Escape::Char(c))
    }

    fn name(&mut self, start: usize) -> Parsed<Escape> {
        let rest = self.raw.get(self.at..self.end).unwrap_or_default();
        let Some(length) = rest.find('}') else {
            return Err(self.bad(start, "`\\{` without `}`"));
        };
        let name = rest[..length].to_owned();
        self.at += length + 1;
        if name.is_empty()
            || !name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        {
            return Err(self.bad(start, "`\\{...}` wants a name"));
        }
        Ok(Escape::Name(name, self.span(start)))
    }

    fn unicode(&mut self, start: usize) -> Parsed<char> {
        let code = if self
            .raw
            .get(self.at..self.end)
            .is_some_and(|rest| rest.starts_with('{'))
        {
            self.at += 1;
            let rest = self.raw.get(self.at..self.end).unwrap_or_default();
            let length = rest
                .find('}')
                .ok_or_else(|| self.bad(start, "`\\u{` without `}`"))?;
            self.at += length + 1;
            u32::from_str_radix(&rest[..length], 16).ok()
        } else {
            self.utf16(start)?
        };
        code.and_then(char::from_u32)
            .ok_or_else(|| self.bad(start, "not a Unicode scalar value"))
    }

    /// `XXXX`, or `XXXX\uXXXX` for a surrogate pair.
    fn utf16(&mut self, start: usize) -> Parsed<Option<u32>> {
        let high = self.four(start)?;
        if !(0xd800..0xdc00).contains(&high)
            || self
                .raw
                .get(self.at..self.end)
                .is_none_or(|rest| !rest.starts_with("\\u"))
        {
            return Ok(Some(high));
        }
        self.at += 2;
        let low = self.four(start)?;
        Ok((0xdc00..0xe000)
            .contains(&low)
            .then(|| 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)))
    }

    fn four(&mut self, start: usize) -> Parsed<u32> {
        let digits = self
            .raw
            .get(self.at..(self.at + 4).min(self.end))
            .unwrap_or_default();
        let code = (digits.len() == 4 && digits.chars().all(|c| c.is_ascii_hexdigit()))
            .then(|| u32::from_str_radix(digits, 16).ok())
            .flatten();
        let code =
            code.ok_or_else(|| self.bad(start, "`\\u` wants four hexadecimal digits or braces"))?;
        self.at += 4;
        Ok(code)
    }
}
