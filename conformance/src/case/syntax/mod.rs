//! Text to syntax tree. Every line is read on its own, so that one mistake hides no other.

pub(crate) mod ast;
mod blocks;
mod cursor;
mod guest;
mod host;
pub(crate) mod lexer;
mod payload;
mod term;
mod text;

use self::{
    ast::{Case, File, Name, Term},
    blocks::{Node, duration, tree},
    cursor::{Cursor, Parsed},
    lexer::{Lexed, TokenKind, lex},
    term::plain_text,
};
use super::{
    diagnostic::{Problem, closest_or_all},
    model::{Level, Span},
};

/// Names of the levels.
const LEVELS: [(&str, Level); 4] = [
    ("must", Level::Must),
    ("should", Level::Should),
    ("record", Level::Record),
    ("robust", Level::Robust),
];

/// Reads a file: its lines, what they say, and every mistake.
pub(crate) fn parse(text: &str) -> (Lexed, File, Vec<Problem>) {
    let mut lexed = lex(text);
    let mut problems = std::mem::take(&mut lexed.problems);
    let mut file = File::default();
    for node in tree(&lexed.lines, &mut problems) {
        if let Err(problem) = top(text, &node, &mut file, &mut problems) {
            problems.push(*problem);
        }
    }
    problems.sort_by_key(Problem::start);
    (lexed, file, problems)
}

/// Reads a term that is a text of its own, as in a contract's `contract.toml`.
pub(crate) fn parse_term(text: &str) -> Parsed<Term> {
    line(text, |cursor| {
        let term = term::term(cursor)?;
        cursor.end("the end")?;
        Ok(term)
    })
}

/// Reads a call that is a text of its own.
pub(crate) fn parse_call(text: &str) -> Parsed<ast::Call> {
    line(text, |cursor| {
        let call = blocks::call(cursor)?;
        cursor.end("the end")?;
        Ok(call)
    })
}

fn line<T>(text: &str, read: impl FnOnce(&mut Cursor<'_>) -> Parsed<T>) -> Parsed<T> {
    let lexed = lex(text);
    if let Some(problem) = lexed.problems.into_iter().next() {
        return Err(Box::new(problem));
    }
    let whole = Span {
        start: 0,
        end: text.len(),
    };
    match lexed.lines.as_slice() {
        [line] => read(&mut Cursor::new(text, line)),
        _ => Err(Box::new(Problem::new(
            "syntax",
            whole,
            "expected one line",
            "not one line",
        ))),
    }
}

fn top(text: &str, node: &Node<'_>, file: &mut File, problems: &mut Vec<Problem>) -> Parsed<()> {
    let mut cursor = Cursor::new(text, node.line);
    let Some(keyword) = cursor.word_at(0) else {
        return Err(cursor.expected("`contract`, `world`, `group` or `case`"));
    };
    let here = cursor.here();
    if keyword == "case" {
        let case = case(text, node, problems)?;
        file.cases.push(case);
        return Ok(());
    }
    let slot = match keyword {
        "contract" => &mut file.contract,
        "world" => &mut file.world,
        "group" => &mut file.group,
        other => {
            let problem = Problem::new(
                "syntax",
                here,
                format!("`{other}` does not belong at the start of a line"),
                "unknown word",
            );
            return Err(Box::new(problem.maybe_help(closest_or_all(
                other,
                "one of",
                ["contract", "world", "group", "case"],
            ))));
        }
    };
    cursor.advance();
    let name = if keyword == "group" {
        dotted(&mut cursor)?
    } else {
        cursor.name("a name")?
    };
    cursor.end("the end of the line")?;
    node.no_block()?;
    if let Some(before) = slot {
        let problem = Problem::new(
            "duplicate",
            name.span,
            format!("`{keyword}` is given twice"),
            "again here",
        );
        return Err(Box::new(problem.also(before.span, "first given here")));
    }
    if let Some(case) = file.cases.first() {
        let problem = Problem::new(
            "syntax",
            name.span,
            format!("`{keyword}` stands behind a case"),
            "too late",
        );
        return Err(Box::new(
            problem
                .also(case.name.span, "the first case")
                .help("the header comes first"),
        ));
    }
    *slot = Some(name);
    Ok(())
}

/// Reads `label(.label)*`.
fn dotted(cursor: &mut Cursor<'_>) -> Parsed<Name> {
    let start = cursor.start();
    let mut name = cursor.name("a name")?;
    while cursor.take_sign(".").is_some() {
        let next = cursor.name("a label behind the dot: a letter, then letters, digits and `-`")?;
        name.text.push('.');
        name.text.push_str(&next.text);
    }
    name.span = cursor.since(start);
    if name
        .text
        .chars()
        .any(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.')))
        || name.text.contains("--")
    {
        let problem = Problem::new(
            "label",
            name.span,
            format!("`{}` is not made of labels", name.text),
            "not a label",
        );
        return Err(Box::new(problem.help(
            "small letters, digits and single `-`, dots between labels: `store-set.overwrite`",
        )));
    }
    Ok(name)
}

fn case(text: &str, node: &Node<'_>, problems: &mut Vec<Problem>) -> Parsed<Case> {
    let mut case = header(text, node)?;
    let mut host = None;
    for child in &node.children {
        if let Err(problem) = part(text, child, &mut case, &mut host, problems) {
            problems.push(*problem);
        }
    }
    Ok(case)
}

fn header(text: &str, node: &Node<'_>) -> Parsed<Case> {
    let mut cursor = Cursor::new(text, node.line);
    cursor.advance();
    let name = dotted(&mut cursor)?;
    let written = cursor.name("a level: `must`, `should`, `record` or `robust`")?;
    let Some((_, level)) = LEVELS.iter().find(|(name, _)| *name == written.text) else {
        let problem = Problem::new(
            "unknown-level",
            written.span,
            format!("there is no level `{}`", written.text),
            "not a level",
        );
        return Err(Box::new(problem.maybe_help(closest_or_all(
            &written.text,
            "levels",
            LEVELS.iter().map(|(name, _)| *name),
        ))));
    };
    let mut profile: Option<Name> = None;
    let mut needs = Vec::new();
    let mut limit = None;
    while !cursor.at_end() {
        if cursor.take_word("needs").is_some() {
            needs.push(cursor.name("a capability")?);
            while cursor.take_sign(",").is_some() {
                needs.push(cursor.name("a capability")?);
            }
        } else if cursor.take_word("limit").is_some() {
            limit = Some(duration(&mut cursor)?);
        } else if cursor.take_word("profile").is_some() {
            let name = cursor.name("a profile")?;
            if let Some(before) = &profile {
                let problem =
                    Problem::new("duplicate", name.span, "a second profile", "again here");
                return Err(Box::new(
                    problem
                        .also(before.span, "first given here")
                        .help("a case is of one profile; write a case for each"),
                ));
            }
            profile = Some(name);
        } else {
            return Err(cursor.expected(
                "`profile NAME`, `needs CAPABILITY`, `limit DURATION` or the end of the line",
            ));
        }
    }
    Ok(Case {
        name,
        level: *level,
        profile,
        needs,
        limit,
        quotes: Vec::new(),
        environment: None,
        guests: Vec::new(),
        host: Vec::new(),
        lines: node.number..node.last(),
        span: Span {
            start: node.line.span().start,
            end: last_byte(node),
        },
    })
}

fn last_byte(node: &Node<'_>) -> usize {
    node.children.last().map_or(node.line.span().end, last_byte)
}

fn part(
    text: &str,
    node: &Node<'_>,
    case: &mut Case,
    host: &mut Option<Span>,
    problems: &mut Vec<Problem>,
) -> Parsed<()> {
    let mut cursor = Cursor::new(text, node.line);
    let span = node.line.span();
    let late = |case: &Case, what: &str| match (case.guests.first(), &host) {
        (None, None) => Ok(()),
        _ => Err(Box::new(
            Problem::new(
                "order",
                span,
                format!("{what} stands behind a guest or the host"),
                "too late",
            )
            .help("quotes, environment, guests, host: in this order"),
        )),
    };
    if cursor
        .peek()
        .is_some_and(|token| token.kind == TokenKind::Text)
    {
        late(case, "a quotation")?;
        node.no_block()?;
        case.quotes.push(plain_text(&mut cursor, "text")?);
        return cursor.end("the end of the line");
    }
    match cursor.word_at(0) {
        Some("environment") => {
            late(case, "the environment")?;
            node.no_block()?;
            cursor.advance();
            if case.environment.is_some() {
                return Err(Box::new(Problem::new(
                    "duplicate",
                    span,
                    "`environment` is given twice",
                    "again here",
                )));
            }
            case.environment = Some(term::term(&mut cursor)?);
            cursor.end("the end of the line")
        }
        Some("guest") => {
            if let Some(host) = host {
                let problem =
                    Problem::new("order", span, "a guest stands behind the host", "too late")
                        .also(*host, "the host steps");
                return Err(Box::new(problem.help("guests come before the host")));
            }
            let guest = guest::guest(text, node, problems)?;
            case.guests.push(guest);
            Ok(())
        }
        Some("host") => {
            cursor.advance();
            cursor.end("the end of the line")?;
            if let Some(before) = host.replace(span) {
                return Err(Box::new(
                    Problem::new("duplicate", span, "`host` is given twice", "again here")
                        .also(before, "first given here"),
                ));
            }
            if node.children.is_empty() {
                return Err(Box::new(
                    Problem::new(
                        "empty-block",
                        span,
                        "a host without steps",
                        "no steps below it",
                    )
                    .help("leave `host` out, or indent its steps below it"),
                ));
            }
            case.host = host::steps(text, &node.children, problems);
            Ok(())
        }
        other => {
            let help = other.and_then(|other| {
                closest_or_all(other, "parts of a case", ["environment", "guest", "host"])
            });
            Err(Box::new(
                (*cursor.expected("a quotation, `environment`, `guest` or `host`"))
                    .maybe_help(help),
            ))
        }
    }
}
