//! Text to tokens, tokens to logical lines. A logical line goes on over line ends inside brackets, and when the next line
//! starts with `=>` or `|`. Nothing here knows what a line means.

use super::super::{diagnostic::Problem, model::Span};

/// A token: what it is and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TokenKind {
    /// `store-get`, `int64`, `_x`; with a leading `%` it is never a keyword.
    Word,
    /// `12`, `-1.5e3`, `-inf`.
    Number,
    /// `200ms`: a number with letters behind it.
    Quantity,
    /// `"..."` with its quotes, escapes untouched.
    Text,
    /// `'x'` with its quotes.
    Char,
    /// One of the fixed signs.
    Sign(&'static str),
}

/// A `//` comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Comment {
    pub(crate) span: Span,
    /// Whether nothing but blanks precedes it on its line.
    pub(crate) alone: bool,
}

/// A logical line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    /// Levels of indentation.
    pub(crate) level: usize,
    /// At least one.
    pub(crate) tokens: Vec<Token>,
}

impl Line {
    /// From the first token to the last.
    pub(crate) fn span(&self) -> Span {
        match (self.tokens.first(), self.tokens.last()) {
            (Some(first), Some(last)) => Span {
                start: first.span.start,
                end: last.span.end,
            },
            _ => Span::default(),
        }
    }
}

/// A file in logical lines.
#[derive(Debug, Default)]
pub(crate) struct Lexed {
    pub(crate) lines: Vec<Line>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) problems: Vec<Problem>,
}

/// Longest first.
const SIGNS: [&str; 26] = [
    "=>", "->", "..", ">=", "<=", "(", ")", "[", "]", "{", "}", ",", ":", ".", "|", "$", "@", "*",
    ">", "<", "=", "/", "_", "+", ";", "#",
];

/// Levels of indentation that are accepted.
const MAX_LEVEL: usize = 24;

/// Cuts `text` into logical lines. Mistakes are collected; what can be read is still returned.
pub(crate) fn lex(text: &str) -> Lexed {
    let mut lexer = Lexer {
        text,
        at: 0,
        out: Lexed::default(),
        brackets: Vec::new(),
    };
    lexer.run();
    lexer.out
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    out: Lexed,
    /// Open brackets of the current logical line.
    brackets: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn run(&mut self) {
        if self.text.starts_with('\u{feff}') {
            self.at = '\u{feff}'.len_utf8();
        }
        while self.at < self.text.len() {
            self.physical_line();
        }
        self.unclosed();
    }

    /// Reads one line of the file, up to and including its end.
    fn physical_line(&mut self) {
        let start = self.at;
        let blanks = self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
        self.at += blanks;
        let rest = self.rest();
        if rest.is_empty() || rest.starts_with(['\n', '\r']) {
            self.line_end();
            return;
        }
        if rest.starts_with("//") {
            self.comment(true);
            self.line_end();
            return;
        }
        if !self.brackets.is_empty() && blanks == 0 && rest.starts_with("case ") {
            self.unclosed();
        }
        let continues = rest.starts_with("=>") || rest.starts_with('|');
        if self.brackets.is_empty() && (!continues || self.out.lines.is_empty()) {
            let level = self.level(start, blanks);
            self.out.lines.push(Line {
                level,
                tokens: Vec::new(),
            });
        }
        self.tokens();
        if self
            .out
            .lines
            .last()
            .is_some_and(|line| line.tokens.is_empty())
        {
            self.out.lines.pop();
        }
        self.line_end();
    }

    fn level(&mut self, start: usize, blanks: usize) -> usize {
        let span = Span {
            start,
            end: start + blanks,
        };
        if self.text[start..start + blanks].contains('\t') {
            let problem = Problem::new(
                "indentation",
                span,
                "a tab in the indentation",
                "indent with spaces",
            )
            .help("two spaces a level");
            self.out.problems.push(problem);
        } else if !blanks.is_multiple_of(2) {
            let label = format!("{blanks} spaces");
            let problem = Problem::new(
                "indentation",
                span,
                "indentation is not a multiple of two spaces",
                label,
            )
            .help("two spaces a level");
            self.out.problems.push(problem);
        } else if blanks / 2 > MAX_LEVEL {
            let label = format!("level {}", blanks / 2);
            self.out.problems.push(Problem::new(
                "too-deep",
                span,
                format!("more than {MAX_LEVEL} levels of indentation"),
                label,
            ));
        }
        blanks.div_ceil(2).min(MAX_LEVEL)
    }

    fn tokens(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches([' ', '\t']);
            self.at += rest.len() - trimmed.len();
            if trimmed.is_empty() || trimmed.starts_with(['\n', '\r']) {
                return;
            }
            if trimmed.starts_with("//") {
                self.comment(false);
                return;
            }
            self.token(trimmed);
        }
    }

    fn token(&mut self, rest: &str) {
        let Some(first) = rest.chars().next() else {
            return;
        };
        if first == '"' || first == '\'' {
            self.quoted(first);
        } else if let Some(length) = number(rest) {
            let letters = length_while(&rest[length..], |c| c.is_ascii_alphanumeric());
            let kind = if letters == 0 {
                TokenKind::Number
            } else {
                TokenKind::Quantity
            };
            self.push(kind, length + letters);
        } else if let Some(length) = word(rest) {
            self.push(TokenKind::Word, length);
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            self.sign(sign);
        } else {
            let span = Span {
                start: self.at,
                end: self.at + first.len_utf8(),
            };
            let message = format!("a character that means nothing here: {first:?}");
            self.out.problems.push(Problem::new(
                "unknown-character",
                span,
                message,
                "not part of the language",
            ));
            self.at = span.end;
        }
    }

    fn sign(&mut self, sign: &'static str) {
        let token = Token {
            kind: TokenKind::Sign(sign),
            span: Span {
                start: self.at,
                end: self.at + sign.len(),
            },
        };
        match sign {
            "(" | "[" | "{" => self.brackets.push(token),
            ")" | "]" | "}" => match self.brackets.pop() {
                Some(open) if closes(open, sign) => {}
                Some(open) => {
                    let problem = Problem::new(
                        "unbalanced-bracket",
                        token.span,
                        "brackets do not match",
                        format!("`{sign}` cannot close this"),
                    );
                    self.out
                        .problems
                        .push(problem.also(open.span, "opened here"));
                }
                None => {
                    let message = "a closing bracket that was never opened";
                    self.out.problems.push(Problem::new(
                        "unbalanced-bracket",
                        token.span,
                        message,
                        "nothing to close",
                    ));
                }
            },
            _ => {}
        }
        self.push(TokenKind::Sign(sign), sign.len());
    }

    fn quoted(&mut self, quote: char) {
        let rest = self.rest();
        let mut escaped = false;
        let mut end = None;
        for (index, c) in rest.char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if c == quote => {
                    end = Some(index + 1);
                    break;
                }
                _ => {}
            }
        }
        let kind = if quote == '"' {
            TokenKind::Text
        } else {
            TokenKind::Char
        };
        match end {
            Some(length) => self.push(kind, length),
            None => {
                let length = rest.find('\n').unwrap_or(rest.len());
                let span = Span {
                    start: self.at,
                    end: self.at + length,
                };
                let what = if quote == '"' { "text" } else { "character" };
                let problem = Problem::new(
                    "unclosed-text",
                    span,
                    format!("this {what} does not end on its line"),
                    format!("no closing {quote}"),
                );
                self.out
                    .problems
                    .push(problem.help("write a line end as `\\n`"));
                self.at = span.end;
            }
        }
    }

    fn push(&mut self, kind: TokenKind, length: usize) {
        let span = Span {
            start: self.at,
            end: self.at + length,
        };
        if let Some(line) = self.out.lines.last_mut() {
            line.tokens.push(Token { kind, span });
        }
        self.at = span.end;
    }

    fn comment(&mut self, alone: bool) {
        let rest = self.rest();
        let length = rest.find('\n').unwrap_or(rest.len());
        let span = Span {
            start: self.at,
            end: self.at + rest[..length].trim_end().len(),
        };
        self.out.comments.push(Comment { span, alone });
        self.at += length;
    }

    fn line_end(&mut self) {
        let rest = self.rest();
        self.at += rest.find('\n').map_or(rest.len(), |index| index + 1);
    }

    /// Reports brackets that the line, the case or the file leaves open, and forgets them.
    fn unclosed(&mut self) {
        if let Some(open) = self.brackets.pop() {
            self.out.problems.push(Problem::new(
                "unbalanced-bracket",
                open.span,
                "this bracket is never closed",
                "opened here",
            ));
        }
        self.brackets.clear();
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }
}

fn closes(open: Token, sign: &str) -> bool {
    matches!(
        (open.kind, sign),
        (TokenKind::Sign("("), ")") | (TokenKind::Sign("["), "]") | (TokenKind::Sign("{"), "}")
    )
}

fn length_while(text: &str, test: impl Fn(char) -> bool) -> usize {
    text.find(|c| !test(c)).unwrap_or(text.len())
}

/// The length of the number that `text` starts with.
fn number(text: &str) -> Option<usize> {
    let sign = usize::from(text.starts_with('-'));
    if sign == 1 && text[1..].starts_with("inf") && word(&text[1..]) == Some(3) {
        return Some(4);
    }
    let digits = |from: usize| length_while(&text[from..], |c| c.is_ascii_digit());
    let mut length = sign + digits(sign);
    if length == sign {
        return None;
    }
    if text[length..].starts_with('.') && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
    }
    if text[length..].starts_with(['e', 'E']) {
        let signed = length + 1 + usize::from(text[length + 1..].starts_with(['+', '-']));
        let count = digits(signed);
        if count > 0 {
            length = signed + count;
        }
    }
    Some(length)
}

/// The length of the word that `text` starts with.
fn word(text: &str) -> Option<usize> {
    let start = usize::from(text.starts_with('%'));
    let body = &text[start..];
    let first = body.chars().next()?;
    if !(first.is_ascii_alphabetic()
        || (first == '_' && body[1..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')))
    {
        return None;
    }
    let length = length_while(body, |c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    Some(start + body[..length].trim_end_matches('-').len())
}
