//! A place in the tokens of one logical line, with what every part of the parser asks of it.

use super::{
    super::{diagnostic::Problem, model::Span},
    ast::Name,
    lexer::{Line, Token, TokenKind},
};

/// Ends the reading of one line.
pub(crate) type Parsed<T> = Result<T, Box<Problem>>;

/// How deep terms may nest; each bracket counts twice.
const MAX_DEPTH: usize = 128;

/// Reads the tokens of one line.
pub(crate) struct Cursor<'a> {
    pub(crate) text: &'a str,
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of `line`.
    pub(crate) fn new(text: &'a str, line: &'a Line) -> Self {
        Cursor {
            text,
            tokens: &line.tokens,
            at: 0,
            depth: 0,
        }
    }

    /// The text of a span.
    pub(crate) fn slice(&self, span: Span) -> &'a str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// The next token.
    pub(crate) fn peek(&self) -> Option<Token> {
        self.peek_at(0)
    }

    /// The token `ahead` of the next one.
    pub(crate) fn peek_at(&self, ahead: usize) -> Option<Token> {
        self.tokens.get(self.at + ahead).copied()
    }

    /// Takes the next token.
    pub(crate) fn advance(&mut self) -> Option<Token> {
        let token = self.peek();
        self.at += usize::from(token.is_some());
        token
    }

    /// Whether the token `ahead` is this sign.
    pub(crate) fn sign_at(&self, ahead: usize, sign: &str) -> bool {
        matches!(self.peek_at(ahead), Some(Token { kind: TokenKind::Sign(found), .. }) if found == sign)
    }

    /// Whether the next token is this sign.
    pub(crate) fn is_sign(&self, sign: &str) -> bool {
        self.sign_at(0, sign)
    }

    /// The word `ahead`, if there is one there.
    pub(crate) fn word_at(&self, ahead: usize) -> Option<&'a str> {
        self.peek_at(ahead)
            .filter(|token| token.kind == TokenKind::Word)
            .map(|token| self.slice(token.span))
    }

    /// Whether the next token is this word.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.word_at(0) == Some(word)
    }

    /// Whether the token `ahead` follows the one before it without a blank.
    pub(crate) fn adjacent(&self, ahead: usize) -> bool {
        match (self.at + ahead)
            .checked_sub(1)
            .and_then(|before| self.tokens.get(before))
        {
            Some(before) => self
                .peek_at(ahead)
                .is_some_and(|token| token.span.start == before.span.end),
            None => false,
        }
    }

    /// Takes this sign, if it is next.
    pub(crate) fn take_sign(&mut self, sign: &str) -> Option<Span> {
        self.is_sign(sign)
            .then(|| self.advance())
            .flatten()
            .map(|token| token.span)
    }

    /// Takes this word, if it is next.
    pub(crate) fn take_word(&mut self, word: &str) -> Option<Span> {
        self.is_word(word)
            .then(|| self.advance())
            .flatten()
            .map(|token| token.span)
    }

    /// Takes this sign or reports what stands there.
    pub(crate) fn sign(&mut self, sign: &str) -> Parsed<Span> {
        self.take_sign(sign)
            .ok_or_else(|| self.expected(&format!("`{sign}`")))
    }

    /// Takes a name: a word without `%`.
    pub(crate) fn name(&mut self, what: &str) -> Parsed<Name> {
        match self.peek() {
            Some(token)
                if token.kind == TokenKind::Word && !self.slice(token.span).starts_with('%') =>
            {
                self.advance();
                Ok(Name {
                    text: self.slice(token.span).to_owned(),
                    span: token.span,
                })
            }
            _ => Err(self.expected(what)),
        }
    }

    /// Takes an integer.
    pub(crate) fn integer<T: TryFrom<i128>>(&mut self, what: &str) -> Parsed<T> {
        let Some(token) = self.peek().filter(|token| token.kind == TokenKind::Number) else {
            return Err(self.expected(what));
        };
        let value = self
            .slice(token.span)
            .parse::<i128>()
            .ok()
            .and_then(|value| T::try_from(value).ok());
        match value {
            Some(value) => {
                self.advance();
                Ok(value)
            }
            None => Err(Box::new(Problem::new(
                "number-range",
                token.span,
                format!("this number cannot be {what}"),
                "out of range or not whole",
            ))),
        }
    }

    /// Whether the line is used up.
    pub(crate) fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// Reports what is left of the line.
    pub(crate) fn end(&self, expected: &str) -> Parsed<()> {
        if self.at_end() {
            Ok(())
        } else {
            Err(self.expected(expected))
        }
    }

    /// Where the last token ended.
    pub(crate) fn last_end(&self) -> usize {
        self.at
            .checked_sub(1)
            .and_then(|last| self.tokens.get(last))
            .map_or(0, |token| token.span.end)
    }

    /// From `start` to the last token taken.
    pub(crate) fn since(&self, start: usize) -> Span {
        Span {
            start,
            end: self.last_end().max(start),
        }
    }

    /// Where the next token starts, or the last one ended.
    pub(crate) fn start(&self) -> usize {
        self.peek()
            .map_or_else(|| self.last_end(), |token| token.span.start)
    }

    /// The span of the next token, or the place behind the last one.
    pub(crate) fn here(&self) -> Span {
        self.peek().map_or(
            Span {
                start: self.last_end(),
                end: self.last_end(),
            },
            |token| token.span,
        )
    }

    /// `expected WHAT, found ...`
    pub(crate) fn expected(&self, what: &str) -> Box<Problem> {
        let found = match self.peek() {
            None => "the end of the line".to_owned(),
            Some(token) => {
                let text = self.slice(token.span);
                if text.chars().count() > 24 {
                    format!("`{}...`", text.chars().take(20).collect::<String>())
                } else {
                    format!("`{text}`")
                }
            }
        };
        Box::new(Problem::new(
            "syntax",
            self.here(),
            format!("expected {what}, found {found}"),
            format!("expected {what}"),
        ))
    }

    /// Runs `read` one level deeper, if that is not too deep.
    pub(crate) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return Err(Box::new(Problem::new(
                "too-deep",
                self.here(),
                format!("more than {} levels of nesting", MAX_DEPTH / 2),
                "too deep",
            )));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }
}
