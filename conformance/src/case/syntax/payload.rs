//! Literals of the languages inside strings and byte lists: `hex`, `utf8`, `json`, `ipc`, `spoil`, `trace`.

use super::{
    super::diagnostic::Problem,
    ast::{Ipc, IpcBatch, IpcColumn, Name, Pattern, Spoil, Term, TermKind},
    cursor::{Cursor, Parsed},
    lexer::TokenKind,
    term::{self, plain_text, term, terms},
    text,
};

/// Reads a form that starts with the word that is next; nothing is taken when `word` starts none.
pub(crate) fn form(cursor: &mut Cursor<'_>, word: &str, applied: bool) -> Parsed<Option<TermKind>> {
    let text_next = cursor
        .peek_at(1)
        .is_some_and(|token| token.kind == TokenKind::Text);
    Ok(Some(match word {
        "hex" if text_next => TermKind::Hex(hex(cursor)?),
        "utf8" if text_next => {
            cursor.advance();
            TermKind::Utf8(term::pieces(cursor)?)
        }
        "json" | "json-bytes" if !applied => {
            cursor.advance();
            let exactly = cursor.is_word("exactly") && cursor.peek_at(1).is_some();
            if exactly {
                cursor.advance();
            }
            let value = Box::new(cursor.nested(term)?);
            TermKind::Json {
                bytes: word == "json-bytes",
                exactly,
                value,
            }
        }
        "ipc" if !applied => {
            cursor.advance();
            TermKind::Ipc(ipc(cursor)?)
        }
        "spoil" if applied => {
            cursor.advance();
            cursor.advance();
            let value = Box::new(term(cursor)?);
            let mut faults = Vec::new();
            while cursor.take_sign(",").is_some() {
                faults.push(spoil(cursor)?);
            }
            cursor.sign(")")?;
            TermKind::Spoil(value, faults)
        }
        "trace" if applied && cursor.word_at(2) == Some("rows") => {
            cursor.advance();
            cursor.advance();
            cursor.advance();
            cursor.sign("[")?;
            let rows = terms(cursor, "]")?;
            let in_order = cursor.take_word("in-order").is_some();
            cursor.sign(")")?;
            TermKind::Pattern(Pattern::Trace(rows, in_order))
        }
        "transcript" if !applied => {
            cursor.advance();
            TermKind::Pattern(Pattern::Transcript)
        }
        _ => return Ok(None),
    }))
}

/// Reads `hex "..."`.
pub(crate) fn hex(cursor: &mut Cursor<'_>) -> Parsed<Vec<u8>> {
    cursor.advance();
    let digits = plain_text(cursor, "hexadecimal digits in quotes")?;
    text::hex(&digits.text, digits.span)
}

fn spoil(cursor: &mut Cursor<'_>) -> Parsed<Spoil> {
    let name = cursor.name("a fault, as in `cut 10`")?;
    Ok(match name.text.as_str() {
        "cut" | "drop" | "flip" | "metadata-length" | "body-length" | "null-count"
        | "row-count" => Spoil::Number(name, cursor.integer("a number")?),
        "append" => Spoil::Append(term(cursor)?),
        _ => Spoil::Plain(name),
    })
}

fn ipc(cursor: &mut Cursor<'_>) -> Parsed<Ipc> {
    let schema_only = cursor.is_word("schema") && cursor.sign_at(1, "{");
    if schema_only {
        cursor.advance();
    }
    if cursor.is_sign("{") {
        return Ok(Ipc {
            schema_only,
            many: false,
            batches: vec![batch(cursor, schema_only)?],
        });
    }
    cursor
        .take_sign("[")
        .ok_or_else(|| cursor.expected("`{` or `[` behind `ipc`"))?;
    let mut batches = Vec::new();
    loop {
        if cursor.take_sign("]").is_some() {
            break;
        }
        batches.push(batch(cursor, false)?);
        if cursor.take_sign(",").is_none() {
            cursor.sign("]")?;
            break;
        }
    }
    Ok(Ipc {
        schema_only,
        many: true,
        batches,
    })
}

fn batch(cursor: &mut Cursor<'_>, schema_only: bool) -> Parsed<IpcBatch> {
    let start = cursor.start();
    cursor.sign("{")?;
    let mut batch = IpcBatch {
        rows: None,
        columns: None,
        fields: Vec::new(),
        span: cursor.since(start),
    };
    loop {
        if cursor.take_sign("}").is_some() {
            break;
        }
        let number = cursor
            .peek_at(1)
            .is_some_and(|token| token.kind == TokenKind::Number);
        match cursor.word_at(0) {
            Some("rows") if number => {
                cursor.advance();
                batch.rows = Some(cursor.integer("a number of rows")?);
            }
            Some("columns") if number => {
                cursor.advance();
                batch.columns = Some(cursor.integer("a number of columns")?);
            }
            _ => batch.fields.push(column(cursor, schema_only)?),
        }
        if cursor.take_sign(",").is_none() {
            cursor
                .take_sign("}")
                .ok_or_else(|| cursor.expected("`,` or `}`"))?;
            break;
        }
    }
    batch.span = cursor.since(start);
    Ok(batch)
}

fn column(cursor: &mut Cursor<'_>, schema_only: bool) -> Parsed<IpcColumn> {
    let start = cursor.start();
    let mut name = None;
    let mut any_name = false;
    if cursor.sign_at(1, ":") {
        match cursor.peek().map(|token| token.kind) {
            Some(TokenKind::Sign("_")) => {
                cursor.advance();
                any_name = true;
            }
            Some(TokenKind::Text) => name = Some(plain_text(cursor, "a column name")?),
            _ => name = Some(cursor.name("a column name")?),
        }
        cursor.sign(":")?;
    }
    let ty = if cursor.take_sign("_").is_some() {
        None
    } else {
        Some(column_type(cursor)?)
    };
    let nonnull = cursor.take_word("nonnull").is_some();
    let metadata = if cursor.take_word("metadata").is_some() {
        metadata(cursor)?
    } else {
        Vec::new()
    };
    let values = match cursor.peek().map(|token| token.kind) {
        Some(TokenKind::Sign("[" | "_")) if !schema_only => Some(term(cursor)?),
        _ if schema_only => None,
        _ => return Err(cursor.expected("the column's values in `[...]`")),
    };
    Ok(IpcColumn {
        name,
        any_name,
        ty,
        nonnull,
        metadata,
        values,
        span: cursor.since(start),
    })
}

/// A type as written, as in `dictionary(utf8)`, without its blanks but those behind commas and colons.
fn column_type(cursor: &mut Cursor<'_>) -> Parsed<Name> {
    let start = cursor.start();
    let mut text = cursor.name("a column type")?.text;
    if cursor.is_sign("(") {
        let mut open = 0usize;
        loop {
            let Some(token) = cursor.advance() else {
                return Err(cursor.expected("`)`"));
            };
            let written = cursor.slice(token.span);
            text.push_str(written);
            match written {
                "(" => open += 1,
                ")" => open = open.saturating_sub(1),
                "," | ":" => text.push(' '),
                _ => {}
            }
            if open == 0 {
                break;
            }
            if open > 16 {
                return Err(Box::new(Problem::new(
                    "too-deep",
                    token.span,
                    "a column type nests too deep",
                    "too deep",
                )));
            }
        }
    }
    Ok(Name {
        text,
        span: cursor.since(start),
    })
}

fn metadata(cursor: &mut Cursor<'_>) -> Parsed<Vec<(String, String)>> {
    cursor.sign("{")?;
    let mut pairs = Vec::new();
    while cursor.take_sign("}").is_none() {
        let key = plain_text(cursor, "a metadata key in quotes")?;
        cursor.sign(":")?;
        pairs.push((
            key.text,
            plain_text(cursor, "a metadata value in quotes")?.text,
        ));
        if cursor.take_sign(",").is_none() && !cursor.is_sign("}") {
            return Err(cursor.expected("`,` or `}`"));
        }
    }
    Ok(pairs)
}

/// Reads `hex "..."`, `utf8 "..."` or any other term of bytes.
pub(crate) fn bytes(cursor: &mut Cursor<'_>) -> Parsed<Term> {
    term(cursor)
}
