//! Lines to a tree, by indentation, and what guests and hosts share: calls, expectations, durations, instances.

use std::time::Duration;

use super::{
    super::diagnostic::Problem,
    ast::{Call, Expectation, Instance, Name, Outcome, Path},
    cursor::{Cursor, Parsed},
    lexer::{Line, TokenKind},
    term::{term, terms},
};

/// A line and what is indented below it.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    /// Number among the file's logical lines.
    pub(crate) number: usize,
    pub(crate) line: &'a Line,
    pub(crate) children: Vec<Node<'a>>,
}

impl Node<'_> {
    /// One past the number of the last line in it.
    pub(crate) fn last(&self) -> usize {
        self.children.last().map_or(self.number + 1, Node::last)
    }

    /// Refuses a block where there can be none.
    pub(crate) fn no_block(&self) -> Parsed<()> {
        match self.children.first() {
            None => Ok(()),
            Some(child) => {
                let problem = Problem::new(
                    "unexpected-block",
                    child.line.span(),
                    "nothing can be indented here",
                    "indented too far",
                );
                Err(Box::new(problem.also(self.line.span(), "below this line")))
            }
        }
    }
}

/// Makes a tree of the lines.
pub(crate) fn tree<'a>(lines: &'a [Line], problems: &mut Vec<Problem>) -> Vec<Node<'a>> {
    let mut at = 0;
    level(lines, &mut at, 0, problems)
}

fn level<'a>(
    lines: &'a [Line],
    at: &mut usize,
    depth: usize,
    problems: &mut Vec<Problem>,
) -> Vec<Node<'a>> {
    let mut nodes = Vec::new();
    while let Some(line) = lines.get(*at).filter(|line| line.level >= depth) {
        if line.level > depth {
            let label = format!("{} spaces where {} would do", line.level * 2, depth * 2);
            problems.push(
                Problem::new(
                    "indentation",
                    line.span(),
                    "this line is indented too far",
                    label,
                )
                .help("two spaces a level"),
            );
        }
        let number = *at;
        *at += 1;
        let children = level(lines, at, line.level + 1, problems);
        nodes.push(Node {
            number,
            line,
            children,
        });
    }
    nodes
}

/// Reads `a.b(...)`; the bracket must be next to the name.
pub(crate) fn call(cursor: &mut Cursor<'_>) -> Parsed<Call> {
    let start = cursor.start();
    let path = path(cursor, "a function")?;
    if !cursor.is_sign("(") || !cursor.adjacent(0) {
        return Err(Box::new(
            (*cursor.expected("`(` right behind the name"))
                .help("a call is written `name(argument, ...)`"),
        ));
    }
    cursor.advance();
    let arguments = terms(cursor, ")")?;
    Ok(Call {
        path,
        arguments,
        span: cursor.since(start),
    })
}

/// Reads `name`, `qualifier.name` or `package/qualifier.name`.
pub(crate) fn path(cursor: &mut Cursor<'_>, what: &str) -> Parsed<Path> {
    let start = cursor.start();
    if cursor.is_sign("$") {
        let problem = Problem::new(
            "syntax",
            cursor.here(),
            "a call starts with a name",
            "not `$`",
        );
        return Err(Box::new(
            problem.help("a method is called on the bare name: `r.get()`"),
        ));
    }
    let mut first = cursor.name(what)?;
    let mut package = None;
    if cursor.is_sign(":") && cursor.word_at(1).is_some() && cursor.sign_at(2, "/") {
        cursor.advance();
        let rest = cursor.name("a package name")?;
        first = Name {
            text: format!("{}:{}", first.text, rest.text),
            span: cursor.since(start),
        };
    }
    if cursor.take_sign("/").is_some() {
        package = Some(first);
        first = cursor.name("an interface")?;
        cursor
            .take_sign(".")
            .ok_or_else(|| cursor.expected("`.` and a function"))?;
        let name = cursor.name("a function")?;
        return Ok(Path {
            package,
            qualifier: Some(first),
            name,
            span: cursor.since(start),
        });
    }
    if cursor.take_sign(".").is_some() {
        let name = cursor.name("a function")?;
        return Ok(Path {
            package,
            qualifier: Some(first),
            name,
            span: cursor.since(start),
        });
    }
    Ok(Path {
        package,
        qualifier: None,
        name: first,
        span: cursor.since(start),
    })
}

/// Reads `=> EXPECTATION` if it is there, up to the end of the line.
pub(crate) fn expectation(cursor: &mut Cursor<'_>) -> Parsed<Option<Expectation>> {
    if cursor.take_sign("=>").is_none() {
        return Ok(None);
    }
    let start = cursor.start();
    let mut outcomes = Vec::new();
    loop {
        let name = if cursor.word_at(0).is_some() && cursor.sign_at(1, ":") {
            let name = cursor.name("the name of an outcome")?;
            cursor.advance();
            Some(name)
        } else {
            None
        };
        outcomes.push((name, outcome(cursor)?));
        if cursor.take_sign("|").is_none() {
            break;
        }
    }
    cursor.end("`|`, `and` or the end of the line")?;
    Ok(Some(Expectation {
        outcomes,
        span: cursor.since(start),
    }))
}

fn outcome(cursor: &mut Cursor<'_>) -> Parsed<Outcome> {
    let alone = cursor.peek_at(1).is_none() || cursor.sign_at(1, "|");
    let span = cursor.here();
    let outcome = match cursor.word_at(0).filter(|_| alone) {
        Some("returns") => Outcome::Returns(span),
        Some("trap") => Outcome::Trap(span),
        Some("timeout") => Outcome::Timeout(span),
        Some("refused") => Outcome::Refused(span),
        _ => return term(cursor).map(Outcome::Value),
    };
    cursor.advance();
    Ok(outcome)
}

/// Reads `200ms`, `5s` or `2m`.
pub(crate) fn duration(cursor: &mut Cursor<'_>) -> Parsed<Duration> {
    let Some(token) = cursor
        .peek()
        .filter(|token| token.kind == TokenKind::Quantity)
    else {
        return Err(Box::new(
            (*cursor.expected("a duration")).help("durations are written `200ms`, `5s`, `2m`"),
        ));
    };
    let written = cursor.slice(token.span);
    let split = written
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(written.len());
    let unit = match &written[split..] {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        _ => None,
    };
    let milliseconds = written[..split]
        .parse::<u64>()
        .ok()
        .zip(unit)
        .and_then(|(count, unit)| count.checked_mul(unit));
    match milliseconds.filter(|milliseconds| (1..=3_600_000).contains(milliseconds)) {
        Some(milliseconds) => {
            cursor.advance();
            Ok(Duration::from_millis(milliseconds))
        }
        None => {
            let problem = Problem::new(
                "duration",
                token.span,
                format!("`{written}` is not a duration"),
                "not a duration",
            );
            Err(Box::new(problem.help(
                "durations are written `200ms`, `5s`, `2m`, and are at most an hour",
            )))
        }
    }
}

/// Reads `within D` if it is there.
pub(crate) fn within(cursor: &mut Cursor<'_>) -> Parsed<Option<Duration>> {
    if cursor.take_word("within").is_some() {
        duration(cursor).map(Some)
    } else {
        Ok(None)
    }
}

/// Reads `N [as NAME]` behind `repeat` and `parallel`.
pub(crate) fn count(cursor: &mut Cursor<'_>) -> Parsed<(u32, Option<Name>)> {
    let count = cursor.integer("a number of turns")?;
    let name = if cursor.take_word("as").is_some() {
        Some(cursor.name("a loop variable")?)
    } else {
        None
    };
    Ok((count, name))
}

/// Reads `a`, `a[3]`, `$i`.
pub(crate) fn instance(cursor: &mut Cursor<'_>) -> Parsed<Instance> {
    let start = cursor.start();
    let bound = cursor.take_sign("$").is_some();
    let name = cursor.name("a guest or `$` and a bound instance")?;
    let index = if cursor.is_sign("[") {
        cursor.advance();
        let index = term(cursor)?;
        cursor.sign("]")?;
        Some(Box::new(index))
    } else {
        None
    };
    Ok(Instance {
        name,
        bound,
        index,
        span: cursor.since(start),
    })
}
