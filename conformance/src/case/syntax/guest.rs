//! Guest blocks.

use super::{
    super::{
        diagnostic::{Problem, closest_or_all},
        model::Span,
    },
    ast::{
        Fault, FileForm, Guest, GuestKind, Handler, Name, Param, Statement, StatementKind, Word,
    },
    blocks::{Node, call, count, expectation, path},
    cursor::{Cursor, Parsed},
    lexer::TokenKind,
    payload,
    term::{self, plain_text, term},
};

/// Reads a `guest` block.
pub(crate) fn guest(text: &str, node: &Node<'_>, problems: &mut Vec<Problem>) -> Parsed<Guest> {
    let mut cursor = Cursor::new(text, node.line);
    let span = node.line.span();
    cursor.advance();
    let flag = |cursor: &Cursor<'_>| match cursor.word_at(0) {
        Some("x") => cursor
            .peek_at(1)
            .is_some_and(|token| token.kind == TokenKind::Number),
        Some("world" | "wat" | "component" | "module" | "bytes") => cursor.peek_at(1).is_some(),
        Some("manual" | "open") => true,
        _ => false,
    };
    let name = if cursor.at_end() || flag(&cursor) {
        None
    } else {
        Some(cursor.name("a guest's name")?)
    };
    let mut guest = Guest {
        name,
        copies: None,
        manual: false,
        open: false,
        world: None,
        kind: GuestKind::Bytes(unused(span)),
        span,
    };
    let mut made_of = None;
    while let Some(word) = cursor.word_at(0) {
        let here = cursor.here();
        cursor.advance();
        match word {
            "x" => guest.copies = Some(cursor.integer("a number of copies")?),
            "manual" => guest.manual = true,
            "open" => guest.open = true,
            "world" => guest.world = Some(cursor.name("a world")?),
            "wat" | "component" | "module" => {
                let form = match word {
                    "wat" => FileForm::Wat,
                    "component" => FileForm::Component,
                    _ => FileForm::Module,
                };
                made_of = Some(GuestKind::File {
                    form,
                    path: plain_text(&mut cursor, "a file beside the case file, in quotes")?,
                });
            }
            "bytes" => made_of = Some(GuestKind::Bytes(payload::bytes(&mut cursor)?)),
            _ => {
                let words = [
                    "x",
                    "manual",
                    "open",
                    "world",
                    "wat",
                    "component",
                    "module",
                    "bytes",
                ];
                let problem = Problem::new(
                    "syntax",
                    here,
                    format!("`{word}` says nothing about a guest"),
                    "unknown word",
                );
                return Err(Box::new(
                    problem.maybe_help(closest_or_all(word, "one of", words)),
                ));
            }
        }
    }
    cursor.end("`x COUNT`, `manual`, `open`, `world NAME` or the end of the line")?;
    guest.kind = match made_of {
        Some(kind) => {
            node.no_block()?;
            kind
        }
        None => puppet(text, node, problems),
    };
    Ok(guest)
}

fn unused(span: Span) -> super::ast::Term {
    super::ast::Term {
        kind: super::ast::TermKind::Wildcard,
        span,
    }
}

fn puppet(text: &str, node: &Node<'_>, problems: &mut Vec<Problem>) -> GuestKind {
    let (mut body, mut handlers, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for child in &node.children {
        let cursor = Cursor::new(text, child.line);
        let read = match cursor.word_at(0) {
            Some("on") if cursor.word_at(1).is_some() => {
                handler(text, child, problems).map(|handler| handlers.push(handler))
            }
            Some("faults") if cursor.word_at(1).is_some() => {
                fault(text, child).map(|fault| faults.push(fault))
            }
            _ => statement(text, child, problems).map(|statement| body.push(statement)),
        };
        if let Err(problem) = read {
            problems.push(*problem);
        }
    }
    GuestKind::Puppet {
        body,
        handlers,
        faults,
    }
}

fn handler(text: &str, node: &Node<'_>, problems: &mut Vec<Problem>) -> Parsed<Handler> {
    let mut cursor = Cursor::new(text, node.line);
    cursor.advance();
    let start = cursor.start();
    let export = path(&mut cursor, "an export")?;
    cursor.sign("(")?;
    let mut params = Vec::new();
    while cursor.take_sign(")").is_none() {
        params.push(param(&mut cursor)?);
        if cursor.take_sign(",").is_none() && !cursor.is_sign(")") {
            return Err(cursor.expected("`,` or `)`"));
        }
    }
    let span = cursor.since(start);
    let body = if cursor.at_end() {
        statements(text, &node.children, problems)
    } else {
        vec![inline(&mut cursor, node, problems)?]
    };
    Ok(Handler {
        export,
        params,
        body,
        span,
    })
}

/// A parameter of a clause, or a field of one.
fn param(cursor: &mut Cursor<'_>) -> Parsed<Param> {
    Ok(match cursor.peek().map(|token| token.kind) {
        Some(TokenKind::Sign("_")) => {
            cursor.advance();
            Param::Ignore
        }
        Some(TokenKind::Sign("{")) => cursor.nested(fields)?,
        Some(TokenKind::Text) => Param::Guard(term(cursor)?),
        _ => Param::Bind(cursor.name("a name, `_` or a text to guard with")?),
    })
}

/// Reads `{field: PARAM, ..}`.
fn fields(cursor: &mut Cursor<'_>) -> Parsed<Param> {
    let start = cursor.start();
    cursor.sign("{")?;
    let (mut all, mut rest) = (Vec::new(), false);
    while cursor.take_sign("}").is_none() {
        if cursor.take_sign("..").is_some() {
            rest = true;
            cursor.take_sign(",");
            cursor.sign("}")?;
            break;
        }
        let name = cursor.name("a field")?;
        cursor.sign(":")?;
        all.push((name, param(cursor)?));
        if cursor.take_sign(",").is_none() && !cursor.is_sign("}") {
            return Err(cursor.expected("`,` or `}`"));
        }
    }
    Ok(Param::Fields(all, rest, cursor.since(start)))
}

/// The one statement that may stand on the line of its `on`.
fn inline(
    cursor: &mut Cursor<'_>,
    node: &Node<'_>,
    problems: &mut Vec<Problem>,
) -> Parsed<Statement> {
    let block = matches!(cursor.word_at(0), Some("repeat" | "until")) && !cursor.sign_at(1, "(");
    if block {
        return Err(Box::new(
            (*cursor.expected("a simple statement"))
                .help("put a loop on lines of its own below the `on`"),
        ));
    }
    node.no_block()?;
    let start = cursor.start();
    let kind = statement_kind(cursor, node, problems)?;
    Ok(Statement {
        kind,
        span: cursor.since(start),
    })
}

/// Reads the statements of a block.
pub(crate) fn statements(
    text: &str,
    nodes: &[Node<'_>],
    problems: &mut Vec<Problem>,
) -> Vec<Statement> {
    let mut all = Vec::new();
    for node in nodes {
        match statement(text, node, problems) {
            Ok(statement) => all.push(statement),
            Err(problem) => problems.push(*problem),
        }
    }
    all
}

fn statement(text: &str, node: &Node<'_>, problems: &mut Vec<Problem>) -> Parsed<Statement> {
    let mut cursor = Cursor::new(text, node.line);
    let kind = statement_kind(&mut cursor, node, problems)?;
    if !matches!(
        kind,
        StatementKind::Repeat { .. } | StatementKind::Until { .. }
    ) {
        node.no_block()?;
    }
    Ok(Statement {
        kind,
        span: node.line.span(),
    })
}

fn statement_kind(
    cursor: &mut Cursor<'_>,
    node: &Node<'_>,
    problems: &mut Vec<Problem>,
) -> Parsed<StatementKind> {
    let text = cursor.text;
    let called = cursor.sign_at(1, "(") && cursor.adjacent(1);
    let path = [".", "/", ":"].iter().any(|sign| cursor.sign_at(1, sign));
    let keyword = cursor.word_at(0).filter(|_| !called && !path);
    let Some(keyword) = keyword else {
        let call = call(cursor)?;
        let expect = expectation(cursor)?;
        cursor.end("`=>` or the end of the line")?;
        return Ok(StatementKind::Call { call, expect });
    };
    let simple = |cursor: &mut Cursor<'_>, kind| {
        cursor.advance();
        cursor.end("the end of the line").map(|()| kind)
    };
    match keyword {
        "let" => let_call(cursor).map(|(name, call)| StatementKind::Let { name, call }),
        "drop" => {
            cursor.advance();
            let name = cursor.name("a bound handle")?;
            let expect = expectation(cursor)?;
            cursor.end("`=>` or the end of the line")?;
            Ok(StatementKind::Drop { name, expect })
        }
        "expect" => {
            cursor.advance();
            let value = term(cursor)?;
            let expect =
                expectation(cursor)?.ok_or_else(|| cursor.expected("`=>` and what is expected"))?;
            Ok(StatementKind::Expect { value, expect })
        }
        "signal" => {
            cursor.advance();
            let name = cursor.name("a signal's name")?;
            cursor.end("the end of the line")?;
            Ok(StatementKind::Signal(name))
        }
        "repeat" => {
            cursor.advance();
            let (count, name) = count(cursor)?;
            let quiet = cursor.take_word("quiet").is_some();
            cursor.end("`as NAME`, `quiet` or the end of the line")?;
            let body = statements(text, &node.children, problems);
            Ok(StatementKind::Repeat {
                count,
                name,
                quiet,
                body,
            })
        }
        "until" => until(cursor, node, problems),
        "return" => return_value(cursor),
        "raw" => raw(cursor),
        "flush" => simple(cursor, StatementKind::Flush),
        "trap" => simple(cursor, StatementKind::Trap),
        "spin" => simple(cursor, StatementKind::Spin),
        "recurse" => simple(cursor, StatementKind::Recurse),
        other => {
            let words = [
                "let", "drop", "expect", "signal", "flush", "repeat", "until", "return", "trap",
                "spin", "recurse", "raw",
            ];
            let problem = Problem::new(
                "unknown-statement",
                cursor.here(),
                format!("`{other}` begins no statement"),
                "not a statement",
            );
            let help = closest_or_all(
                other,
                "a statement is a call, as in `store-get(\"k\")`, or starts with one of",
                words,
            );
            Err(Box::new(problem.maybe_help(help)))
        }
    }
}

/// Reads `let NAME = CALL`.
pub(crate) fn let_call(cursor: &mut Cursor<'_>) -> Parsed<(Name, super::ast::Call)> {
    cursor.advance();
    let name = cursor.name("a name to bind")?;
    cursor.sign("=")?;
    let call = call(cursor)?;
    if cursor.is_sign("=>") {
        let problem = Problem::new(
            "syntax",
            cursor.here(),
            "`let NAME = CALL` has no expectation",
            "not here",
        );
        return Err(Box::new(
            problem.help("bind in the pattern instead: `CALL => some(let name)`"),
        ));
    }
    cursor.end("the end of the line")?;
    Ok((name, call))
}

fn until(
    cursor: &mut Cursor<'_>,
    node: &Node<'_>,
    problems: &mut Vec<Problem>,
) -> Parsed<StatementKind> {
    cursor.advance();
    let call = call(cursor)?;
    cursor.sign("=>")?;
    let stop = term(cursor)?;
    let max = if cursor.take_word("max").is_some() {
        Some(cursor.integer("a number of turns")?)
    } else {
        None
    };
    cursor.end("`max N` or the end of the line")?;
    let body = statements(cursor.text, &node.children, problems);
    Ok(StatementKind::Until {
        call,
        stop,
        max,
        body,
    })
}

fn return_value(cursor: &mut Cursor<'_>) -> Parsed<StatementKind> {
    cursor.advance();
    if cursor.at_end() {
        return Ok(StatementKind::Return(None));
    }
    if cursor.is_word("transcript") && cursor.peek_at(1).is_none() {
        let span = cursor.here();
        cursor.advance();
        return Ok(StatementKind::ReturnTranscript(span));
    }
    let value = term(cursor)?;
    cursor.end("the end of the line")?;
    Ok(StatementKind::Return(Some(value)))
}

fn raw(cursor: &mut Cursor<'_>) -> Parsed<StatementKind> {
    cursor.advance();
    if cursor.is_word("return") {
        cursor.advance();
        let word = word(cursor)?;
        cursor.end("the end of the line")?;
        return Ok(StatementKind::RawReturn(word));
    }
    let start = cursor.start();
    let path = path(cursor, "an import")?;
    cursor.sign("(")?;
    let mut words = Vec::new();
    while cursor.take_sign(")").is_none() {
        words.push(word(cursor)?);
        if cursor.take_sign(",").is_none() && !cursor.is_sign(")") {
            return Err(cursor.expected("`,` or `)`"));
        }
    }
    let span = cursor.since(start);
    let expect = expectation(cursor)?;
    cursor.end("`=>` or the end of the line")?;
    Ok(StatementKind::Raw {
        path,
        words,
        expect,
        span,
    })
}

fn word(cursor: &mut Cursor<'_>) -> Parsed<Word> {
    if cursor.take_sign("$").is_some() {
        return cursor.name("a bound name").map(Word::Var);
    }
    if cursor.take_sign("@").is_some() {
        if cursor.take_word("out").is_some() {
            return Ok(Word::Out);
        }
        return term::term(cursor).map(Word::Address);
    }
    let what = "a core word: an integer, `$name`, `@hex \"..\"` or `@out`";
    cursor.integer(what).map(Word::Integer)
}

fn fault(text: &str, node: &Node<'_>) -> Parsed<Fault> {
    node.no_block()?;
    let mut cursor = Cursor::new(text, node.line);
    cursor.advance();
    let what = cursor.name("what is faulty")?;
    let fault = match what.text.as_str() {
        "realloc" => {
            let how = cursor.name("how `realloc` is faulty")?;
            match how.text.as_str() {
                "misaligned" => Fault::ReallocMisaligned,
                "out-of-bounds" => Fault::ReallocOutOfBounds,
                "trap" => Fault::ReallocTrap,
                "calls" => Fault::ReallocCalls(path(&mut cursor, "an import")?),
                other => {
                    return Err(unknown_fault(
                        &how,
                        closest_or_all(
                            other,
                            "one of",
                            ["misaligned", "out-of-bounds", "trap", "calls"],
                        ),
                    ));
                }
            }
        }
        "start" => {
            let how = cursor.name("`trap` or `spin`")?;
            match how.text.as_str() {
                "trap" => Fault::StartTrap,
                "spin" => Fault::StartSpin,
                other => {
                    return Err(unknown_fault(
                        &how,
                        closest_or_all(other, "one of", ["trap", "spin"]),
                    ));
                }
            }
        }
        "pages" => {
            let initial = cursor.integer("a number of pages")?;
            let max = if cursor.at_end() {
                None
            } else {
                Some(cursor.integer("a number of pages")?)
            };
            Fault::Pages(initial, max)
        }
        other => {
            return Err(unknown_fault(
                &what,
                closest_or_all(other, "one of", ["realloc", "start", "pages"]),
            ));
        }
    };
    cursor.end("the end of the line")?;
    Ok(fault)
}

fn unknown_fault(name: &Name, help: Option<String>) -> Box<Problem> {
    Box::new(
        Problem::new(
            "unknown-fault",
            name.span,
            format!("there is no fault `{}`", name.text),
            "unknown fault",
        )
        .maybe_help(help),
    )
}
