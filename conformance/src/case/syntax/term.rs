//! Values and patterns: WAVE and what the case language adds to it.

use super::{
    super::model::Comparison,
    ast::{Field, Name, Pattern, Piece, Term, TermKind},
    cursor::{Cursor, Parsed},
    lexer::{Token, TokenKind},
    payload, text,
};

/// Reads a value or a pattern; `and` binds weakest.
pub(crate) fn term(cursor: &mut Cursor<'_>) -> Parsed<Term> {
    cursor.nested(|cursor| {
        let start = cursor.start();
        let first = unary(cursor)?;
        if !cursor.is_word("and") {
            return Ok(first);
        }
        let mut all = vec![first];
        while cursor.take_word("and").is_some() {
            all.push(unary(cursor)?);
        }
        Ok(pattern(cursor, start, Pattern::And(all)))
    })
}

/// Reads terms between commas up to `close`, which is taken.
pub(crate) fn terms(cursor: &mut Cursor<'_>, close: &str) -> Parsed<Vec<Term>> {
    let mut all = Vec::new();
    loop {
        if cursor.take_sign(close).is_some() {
            return Ok(all);
        }
        all.push(term(cursor)?);
        if cursor.take_sign(",").is_none() {
            cursor
                .take_sign(close)
                .ok_or_else(|| cursor.expected(&format!("`,` or `{close}`")))?;
            return Ok(all);
        }
    }
}

/// Reads a text token that holds no `\{name}`.
pub(crate) fn plain_text(cursor: &mut Cursor<'_>, what: &str) -> Parsed<Name> {
    let Some(token) = cursor.peek().filter(|token| token.kind == TokenKind::Text) else {
        return Err(cursor.expected(what));
    };
    let text = text::plain(cursor.slice(token.span), token.span)?;
    cursor.advance();
    Ok(Name {
        text,
        span: token.span,
    })
}

fn pattern(cursor: &Cursor<'_>, start: usize, pattern: Pattern) -> Term {
    Term {
        kind: TermKind::Pattern(pattern),
        span: cursor.since(start),
    }
}

/// Whether the word that is next begins a form: a keyword that stands alone is an ordinary word.
fn begins_form(cursor: &Cursor<'_>) -> bool {
    match cursor.peek_at(1).map(|token| token.kind) {
        None => false,
        Some(TokenKind::Sign("(")) => !cursor.adjacent(1),
        Some(TokenKind::Sign(sign)) => {
            matches!(sign, "[" | "{" | "$" | "_" | "<" | "<=" | ">" | ">=" | "@")
        }
        Some(TokenKind::Word) => !matches!(
            cursor.word_at(1),
            Some("and" | "once" | "times" | "within" | "max")
        ),
        Some(_) => true,
    }
}

fn unary(cursor: &mut Cursor<'_>) -> Parsed<Term> {
    cursor.nested(|cursor| {
        let start = cursor.start();
        if let Some(comparison) = comparison(cursor) {
            let operand = Box::new(postfix(cursor)?);
            return Ok(pattern(
                cursor,
                start,
                Pattern::Compare(comparison, operand),
            ));
        }
        if let Some(word) = cursor.word_at(0)
            && begins_form(cursor)
            && let Some(form) = keyword(cursor, word)?
        {
            return Ok(pattern(cursor, start, form));
        }
        let first = postfix(cursor)?;
        if cursor.take_sign("..").is_some() {
            let last = postfix(cursor)?;
            return Ok(pattern(
                cursor,
                start,
                Pattern::Range(Box::new(first), Box::new(last)),
            ));
        }
        Ok(first)
    })
}

fn comparison(cursor: &mut Cursor<'_>) -> Option<Comparison> {
    let comparison = match cursor.peek()?.kind {
        TokenKind::Sign("<") => Comparison::Less,
        TokenKind::Sign("<=") => Comparison::AtMost,
        TokenKind::Sign(">") => Comparison::Greater,
        TokenKind::Sign(">=") => Comparison::AtLeast,
        _ => return None,
    };
    cursor.advance();
    Some(comparison)
}

/// Reads a form that starts with a keyword; nothing is taken when `word` is none.
fn keyword(cursor: &mut Cursor<'_>, word: &str) -> Parsed<Option<Pattern>> {
    let operand = |cursor: &mut Cursor<'_>| {
        cursor.advance();
        unary(cursor).map(Box::new)
    };
    Ok(Some(match word {
        "not" => Pattern::Not(operand(cursor)?),
        "each" => Pattern::Each(operand(cursor)?),
        "starts-with" => Pattern::StartsWith(operand(cursor)?),
        "ends-with" => Pattern::EndsWith(operand(cursor)?),
        "contains-bytes" => Pattern::ContainsBytes(operand(cursor)?),
        "contains" => {
            let element = operand(cursor)?;
            Pattern::Contains(element, times(cursor)?)
        }
        "let" | "distinct" | "same" => {
            cursor.advance();
            let name = cursor.name("a name")?;
            match word {
                "let" => Pattern::Let(name),
                "distinct" => Pattern::Distinct(name),
                _ => Pattern::Same(name),
            }
        }
        "matches" => {
            cursor.advance();
            Pattern::Matches(plain_text(cursor, "a regular expression in quotes")?)
        }
        "schema" => {
            cursor.advance();
            Pattern::Schema(plain_text(cursor, "the name of a schema in quotes")?)
        }
        "length" => {
            cursor.advance();
            let comparison = comparison(cursor).unwrap_or(Comparison::Equal);
            Pattern::Length(comparison, cursor.integer("a length")?)
        }
        "unordered" => {
            cursor.advance();
            cursor.sign("[")?;
            Pattern::Unordered(terms(cursor, "]")?)
        }
        _ => return Ok(None),
    }))
}

fn times(cursor: &mut Cursor<'_>) -> Parsed<Option<u32>> {
    if cursor.take_word("once").is_some() {
        return Ok(Some(1));
    }
    if cursor.word_at(1) == Some("times") {
        let count = cursor.integer("a number of times")?;
        cursor.advance();
        return Ok(Some(count));
    }
    Ok(None)
}

fn postfix(cursor: &mut Cursor<'_>) -> Parsed<Term> {
    let start = cursor.start();
    let value = primary(cursor)?;
    if cursor.take_sign("*").is_some() {
        let count = cursor.integer("a number of repetitions")?;
        return Ok(Term {
            kind: TermKind::Repeat(Box::new(value), count),
            span: cursor.since(start),
        });
    }
    Ok(value)
}

fn primary(cursor: &mut Cursor<'_>) -> Parsed<Term> {
    let start = cursor.start();
    let Some(token) = cursor.peek() else {
        return Err(cursor.expected("a value or a pattern"));
    };
    let kind = match token.kind {
        TokenKind::Word => word(cursor, token)?,
        TokenKind::Number => {
            cursor.advance();
            TermKind::Number(cursor.slice(token.span).to_owned())
        }
        TokenKind::Text => TermKind::Text(pieces(cursor)?),
        TokenKind::Char => {
            cursor.advance();
            TermKind::Char(text::character(cursor.slice(token.span), token.span)?)
        }
        TokenKind::Sign("_") => {
            cursor.advance();
            TermKind::Wildcard
        }
        TokenKind::Sign("$") => {
            cursor.advance();
            var(cursor)?
        }
        TokenKind::Sign("[") => {
            cursor.advance();
            TermKind::List(terms(cursor, "]")?)
        }
        TokenKind::Sign("(") => {
            cursor.advance();
            TermKind::Tuple(terms(cursor, ")")?)
        }
        TokenKind::Sign("{") => {
            cursor.advance();
            record(cursor)?
        }
        TokenKind::Quantity | TokenKind::Sign(_) => {
            return Err(cursor.expected("a value or a pattern"));
        }
    };
    Ok(Term {
        kind,
        span: cursor.since(start),
    })
}

/// Reads a text token.
pub(crate) fn pieces(cursor: &mut Cursor<'_>) -> Parsed<Vec<Piece>> {
    let Some(token) = cursor.peek().filter(|token| token.kind == TokenKind::Text) else {
        return Err(cursor.expected("text in double quotes"));
    };
    cursor.advance();
    text::pieces(cursor.slice(token.span), token.span)
}

fn var(cursor: &mut Cursor<'_>) -> Parsed<TermKind> {
    let name = cursor.name("a name behind `$`")?;
    let index = if cursor.is_sign("[") && cursor.adjacent(0) {
        cursor.advance();
        let index = term(cursor)?;
        cursor.sign("]")?;
        Some(Box::new(index))
    } else {
        None
    };
    Ok(TermKind::Var(name, index))
}

fn word(cursor: &mut Cursor<'_>, token: Token) -> Parsed<TermKind> {
    let written = cursor.slice(token.span);
    let escaped = written.starts_with('%');
    let applied = cursor.sign_at(1, "(") && cursor.adjacent(1);
    if !escaped
        && (applied || begins_form(cursor) || written == "transcript")
        && let Some(kind) = payload::form(cursor, written, applied)?
    {
        return Ok(kind);
    }
    cursor.advance();
    let text = written.trim_start_matches('%').to_owned();
    if applied {
        cursor.advance();
        let arguments = terms(cursor, ")")?;
        if !escaped && text == "one-of" {
            return Ok(TermKind::Pattern(Pattern::OneOf(arguments)));
        }
        return Ok(TermKind::Apply(
            Name {
                text,
                span: token.span,
            },
            escaped,
            arguments,
        ));
    }
    Ok(TermKind::Word(text, escaped))
}

fn record(cursor: &mut Cursor<'_>) -> Parsed<TermKind> {
    let mut fields = Vec::new();
    if cursor.is_sign(":") && cursor.sign_at(1, "}") {
        cursor.advance();
        cursor.advance();
        return Ok(TermKind::Record(fields, None));
    }
    loop {
        if cursor.take_sign("}").is_some() {
            return Ok(TermKind::Record(fields, None));
        }
        if let Some(rest) = cursor.take_sign("..") {
            cursor.take_sign(",");
            cursor.sign("}")?;
            return Ok(TermKind::Record(fields, Some(rest)));
        }
        fields.push(field(cursor)?);
        if cursor.take_sign(",").is_none() {
            cursor
                .take_sign("}")
                .ok_or_else(|| cursor.expected("`,` or `}`"))?;
            return Ok(TermKind::Record(fields, None));
        }
    }
}

fn field(cursor: &mut Cursor<'_>) -> Parsed<Field> {
    let (name, quoted) = match cursor.peek() {
        Some(Token {
            kind: TokenKind::Text,
            ..
        }) => (plain_text(cursor, "a name")?, true),
        Some(Token {
            kind: TokenKind::Word,
            span,
        }) => {
            cursor.advance();
            (
                Name {
                    text: cursor.slice(span).trim_start_matches('%').to_owned(),
                    span,
                },
                false,
            )
        }
        _ => return Err(cursor.expected("a field name")),
    };
    let value = if cursor.take_sign(":").is_some() {
        Some(term(cursor)?)
    } else {
        None
    };
    Ok(Field {
        name,
        quoted,
        value,
    })
}
