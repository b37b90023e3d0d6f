//! Host blocks.

use super::{
    super::{
        diagnostic::{Problem, closest_or_all},
        model::Observed,
    },
    ast::{Event, HostStep, HostStepKind},
    blocks::{Node, call, count, duration, expectation, instance, within},
    cursor::{Cursor, Parsed},
    guest::let_call,
    lexer::TokenKind,
    term::term,
};

/// What host steps start with, apart from calls and what is observed.
const WORDS: [&str; 11] = [
    "let",
    "await",
    "never",
    "repeat",
    "parallel",
    "push",
    "hang-up",
    "file",
    "directory",
    "link",
    "plans",
];

/// Reads the steps of a block.
pub(crate) fn steps(text: &str, nodes: &[Node<'_>], problems: &mut Vec<Problem>) -> Vec<HostStep> {
    let mut all = Vec::new();
    for node in nodes {
        match step(text, node, problems) {
            Ok(kind) => all.push(HostStep {
                kind,
                span: node.line.span(),
            }),
            Err(problem) => problems.push(*problem),
        }
    }
    all
}

fn step(text: &str, node: &Node<'_>, problems: &mut Vec<Problem>) -> Parsed<HostStepKind> {
    let mut cursor = Cursor::new(text, node.line);
    let kind = step_kind(&mut cursor, node, problems)?;
    if !matches!(kind, HostStepKind::Repeat { .. }) {
        node.no_block()?;
    }
    Ok(kind)
}

fn step_kind(
    cursor: &mut Cursor<'_>,
    node: &Node<'_>,
    problems: &mut Vec<Problem>,
) -> Parsed<HostStepKind> {
    let keyword = cursor
        .word_at(0)
        .filter(|_| !(cursor.sign_at(1, "(") && cursor.adjacent(1)));
    let Some(keyword) = keyword else {
        let call = call(cursor)?;
        let expect = expectation(cursor)?;
        cursor.end("`=>` or the end of the line")?;
        return Ok(HostStepKind::Call { call, expect });
    };
    match keyword {
        "let" => let_call(cursor).map(|(name, call)| HostStepKind::Let { name, call }),
        "await" => await_event(cursor),
        "never" => {
            cursor.advance();
            let event = event(cursor)?;
            if cursor.take_word("for").is_none() {
                return Err(cursor.expected("`for` and a duration"));
            }
            let within = duration(cursor)?;
            cursor.end("the end of the line")?;
            Ok(HostStepKind::Never { event, within })
        }
        "repeat" | "parallel" => {
            cursor.advance();
            let (count, name) = count(cursor)?;
            cursor.end("`as NAME` or the end of the line")?;
            let body = steps(cursor.text, &node.children, problems);
            Ok(HostStepKind::Repeat {
                count,
                name,
                parallel: keyword == "parallel",
                body,
            })
        }
        "push" => {
            cursor.advance();
            let (path, message) = (term(cursor)?, term(cursor)?);
            let within = within(cursor)?;
            cursor.end("`within D` or the end of the line")?;
            Ok(HostStepKind::Push {
                path,
                message,
                within,
            })
        }
        "hang-up" => {
            cursor.advance();
            let path = term(cursor)?;
            let within = within(cursor)?;
            cursor.end("`within D` or the end of the line")?;
            Ok(HostStepKind::HangUp { path, within })
        }
        "file" => {
            cursor.advance();
            let (path, content) = (term(cursor)?, term(cursor)?);
            cursor.end("the end of the line")?;
            Ok(HostStepKind::File { path, content })
        }
        "directory" => {
            cursor.advance();
            let path = term(cursor)?;
            cursor.end("the end of the line")?;
            Ok(HostStepKind::Directory { path })
        }
        "link" => {
            cursor.advance();
            let path = term(cursor)?;
            cursor.sign("->")?;
            let target = term(cursor)?;
            cursor.end("the end of the line")?;
            Ok(HostStepKind::Link { path, target })
        }
        "plans" => {
            cursor.advance();
            let duty = cursor.name("a duty of hosts, as in `each-row-once`")?;
            if cursor.take_word("seed").is_none() {
                return Err(cursor.expected("`seed` and a number"));
            }
            let seed = cursor.integer("a seed")?;
            if cursor.take_word("cases").is_none() {
                return Err(cursor.expected("`cases` and a number"));
            }
            let cases = cursor.integer("a number of plans")?;
            let expect = expectation(cursor)?;
            cursor.end("`=>` or the end of the line")?;
            Ok(HostStepKind::Plans {
                duty,
                seed,
                cases,
                expect,
            })
        }
        other => {
            if let Some(what) = Observed::ALL.into_iter().find(|what| what.name() == other) {
                return observe(cursor, what);
            }
            let words = WORDS
                .into_iter()
                .chain(Observed::ALL.into_iter().map(Observed::name));
            let problem = Problem::new(
                "unknown-step",
                cursor.here(),
                format!("`{other}` begins no host step"),
                "not a host step",
            );
            let help = closest_or_all(
                other,
                "a host step is a call of the driver, as in `restart()`, or starts with one of",
                words,
            );
            Err(Box::new(problem.maybe_help(help)))
        }
    }
}

fn observe(cursor: &mut Cursor<'_>, what: Observed) -> Parsed<HostStepKind> {
    cursor.advance();
    let within = within(cursor)?;
    let expect =
        expectation(cursor)?.ok_or_else(|| cursor.expected("`=>` and what is expected"))?;
    Ok(HostStepKind::Observe {
        what,
        within,
        expect,
    })
}

fn await_event(cursor: &mut Cursor<'_>) -> Parsed<HostStepKind> {
    cursor.advance();
    let bound = usize::from(cursor.is_sign("$"));
    let signals = cursor.word_at(bound + 1) == Some("signals") || cursor.sign_at(bound + 1, "[");
    if signals || bound == 1 {
        let instance = instance(cursor)?;
        if cursor.take_word("signals").is_none() {
            return Err(cursor.expected("`signals NAME`"));
        }
        let name = cursor.name("a signal's name")?;
        let within = within(cursor)?;
        cursor.end("`within D` or the end of the line")?;
        return Ok(HostStepKind::AwaitSignal {
            instance,
            name,
            within,
        });
    }
    if cursor.peek_at(1).is_some_and(|token| {
        token.kind == TokenKind::Word && !matches!(cursor.slice(token.span), "within")
    }) {
        cursor.advance();
        return Err(Box::new(
            (*cursor.expected("`signals NAME`, `(GUEST)` or `=>`"))
                .help("`await a signals ready` or `await message(a) => \"text\"`"),
        ));
    }
    let event = event(cursor)?;
    let within = within(cursor)?;
    let expect = expectation(cursor)?;
    cursor.end("`within D`, `=>` or the end of the line")?;
    Ok(HostStepKind::Await {
        event,
        within,
        expect,
    })
}

fn event(cursor: &mut Cursor<'_>) -> Parsed<Event> {
    let name = cursor.name("an event of the driver")?;
    let instance = if cursor.take_sign("(").is_some() {
        let instance = instance(cursor)?;
        cursor.sign(")")?;
        Some(instance)
    } else {
        None
    };
    Ok(Event { name, instance })
}
