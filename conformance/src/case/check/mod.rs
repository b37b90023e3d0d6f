//! Syntax tree to checked case: every name resolved, every value typed, every mistake reported.

mod call;
mod compound;
mod guest;
mod host;
mod ipc;
mod json;
mod outside;
mod pattern;
mod plans;
mod resolve;
mod scope;
mod statement;
pub(crate) mod template;
mod value;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
    time::Duration,
};

use fixtures::abi::{Field, Type, Value};

use self::scope::{Binding, Side};
use super::{
    Beside,
    diagnostic::{Problem, closest_or_all},
    hash,
    model::{Case, Expr, ExprKind, Level, Source, Span},
    syntax::{
        ast as syntax,
        lexer::{Lexed, Line},
    },
};
use crate::contract::Contract;

/// Time a case may take when nothing is said.
const LIMIT: Duration = Duration::from_secs(30);

/// Copies a guest may have.
const MAX_COPIES: u32 = 1024;

/// What the host steps know of a guest.
#[derive(Clone, Debug)]
struct Known {
    name: String,
    /// Instances the runner launches.
    copies: u32,
    span: Span,
}

/// Checks one case.
struct Checker<'a> {
    contract: &'a Contract,
    source: &'a Arc<Source>,
    /// Reads files that lie beside the case file.
    files: &'a Beside<'a>,
    problems: Vec<Problem>,
    scope: Vec<Binding>,
    /// Names that would be bound if their statements were right: nothing more is said of them.
    unbound: BTreeSet<String>,
    side: Side,
    /// Whether a pattern may bind here.
    binds: bool,
    default_world: Option<String>,
    /// World and name of the guest that is checked.
    world: String,
    guest: String,
    guests: Vec<Known>,
    /// Guest and signal.
    signals: Vec<(String, String)>,
    /// Types of the names of `distinct` and `same`.
    classes: BTreeMap<String, (Type, Span)>,
    needs: BTreeSet<String>,
    /// Whether an expectation has a named outcome.
    named: bool,
    /// Bytes of the files that were named, for the hash.
    read: Vec<Vec<u8>>,
}

/// Checks a file that was parsed.
pub(super) fn file(
    contract: &Contract,
    source: &Arc<Source>,
    files: &Beside<'_>,
    lexed: &Lexed,
    file: &syntax::File,
    problems: &mut Vec<Problem>,
) -> Vec<Case> {
    let header = Header::check(contract, file, problems);
    let mut cases = Vec::new();
    for case in &file.cases {
        let unread = problems.iter().any(|problem| {
            problem.span().start >= case.span.start && problem.span().start <= case.span.end
        });
        let mut checker = Checker::new(contract, source, files);
        checker.default_world.clone_from(&header.world);
        let lines = lexed.lines.get(case.lines.clone()).unwrap_or_default();
        let checked = checker.case(case, header.group.as_deref().unwrap_or_default(), lines);
        if checker.problems.is_empty() && !unread {
            cases.extend(checked);
        }
        problems.extend(
            checker
                .problems
                .into_iter()
                .filter(|problem| !(unread && problem.may_follow())),
        );
    }
    cases
}

/// What the header says.
struct Header {
    world: Option<String>,
    group: Option<String>,
}

impl Header {
    fn check(contract: &Contract, file: &syntax::File, problems: &mut Vec<Problem>) -> Header {
        let start = Span { start: 0, end: 0 };
        let mut missing = |what: &str| {
            problems.push(Problem::new(
                "no-header",
                start,
                format!("the header has no `{what}`"),
                format!("expected `{what} NAME`"),
            ))
        };
        match &file.contract {
            None => missing("contract"),
            Some(name) if name.text == contract.name => {}
            Some(name) => {
                let message = format!(
                    "this file is of contract `{}`, not of `{}`",
                    name.text, contract.name
                );
                let problem =
                    Problem::new("wrong-contract", name.span, message, "another contract");
                problems.push(problem.help(format!(
                    "cases of contract `{}` say `contract {0}`",
                    contract.name
                )));
            }
        }
        let group = file.group.as_ref().map(|name| name.text.clone());
        if group.is_none() {
            let problem = Problem::new(
                "no-header",
                start,
                "the header has no `group`",
                "expected `group NAME`",
            );
            problems.push(
                problem.help("a case's id is GROUP.NAME, as in `pie.core.store-set.overwrite`"),
            );
        }
        let only = contract
            .worlds
            .keys()
            .next()
            .filter(|_| contract.worlds.len() == 1)
            .cloned();
        let world = match &file.world {
            None => only,
            Some(name) if contract.world(&name.text).is_some() => Some(name.text.clone()),
            Some(name) => {
                problems.push(unknown_world(contract, name));
                only.or_else(|| contract.worlds.keys().next().cloned())
            }
        };
        Header { world, group }
    }
}

fn unknown_world(contract: &Contract, name: &syntax::Name) -> Problem {
    let help = closest_or_all(
        &name.text,
        "worlds",
        contract.worlds.keys().map(String::as_str),
    );
    let message = format!("contract `{}` has no world `{}`", contract.name, name.text);
    Problem::new("unknown-world", name.span, message, "unknown world").maybe_help(help)
}

impl<'a> Checker<'a> {
    fn new(contract: &'a Contract, source: &'a Arc<Source>, files: &'a Beside<'a>) -> Self {
        Checker {
            contract,
            source,
            files,
            problems: Vec::new(),
            scope: Vec::new(),
            unbound: BTreeSet::new(),
            side: Side::Constant,
            binds: true,
            default_world: None,
            world: String::new(),
            guest: String::new(),
            guests: Vec::new(),
            signals: Vec::new(),
            classes: BTreeMap::new(),
            needs: BTreeSet::new(),
            named: false,
            read: Vec::new(),
        }
    }

    fn case(&mut self, case: &syntax::Case, group: &str, lines: &[Line]) -> Option<Case> {
        let id = format!("{group}.{}", case.name.text);
        self.words(case);
        self.profile(case.profile.as_ref());
        let environment = self.environment(case.environment.as_ref());
        let mut guests = Vec::new();
        for guest in &case.guests {
            guests.push(self.known_guest(guest));
        }
        self.scope.clear();
        let host = self.steps(&case.host);
        if case.guests.is_empty() && case.host.is_empty() {
            self.problems.push(Problem::new(
                "empty-block",
                case.name.span,
                "a case without guests and host steps",
                "nothing happens in it",
            ));
        }
        if case.level == Level::Record && !self.named {
            let problem = Problem::new(
                "no-choice",
                case.name.span,
                "a `record` case without named outcomes",
                "nothing to record",
            );
            self.problems.push(problem.help("name the outcomes: `=> same: some(\"x\") | taken: none`; where there is only one, it is `robust`"));
        }
        let header = [
            self.contract.name.as_str(),
            &id,
            self.default_world.as_deref().unwrap_or_default(),
        ];
        Some(Case {
            hash: hash::of(&header, &self.source.text, lines, &self.read),
            id,
            contract: self.contract.name.clone(),
            level: case.level,
            profile: case.profile.as_ref().map(|name| name.text.clone()),
            quotes: case.quotes.iter().map(|quote| quote.text.clone()).collect(),
            needs: self.needs.iter().cloned().collect(),
            limit: case.limit.unwrap_or(LIMIT),
            environment: environment?,
            guests: guests.into_iter().collect::<Option<_>>()?,
            host,
            source: Arc::clone(self.source),
            span: case.span,
        })
    }

    /// Quotations and capabilities.
    fn words(&mut self, case: &syntax::Case) {
        if case.quotes.is_empty() && matches!(case.level, Level::Must | Level::Should) {
            let level = if case.level == Level::Must {
                "must"
            } else {
                "should"
            };
            let problem = Problem::new(
                "no-quotation",
                case.name.span,
                format!("a `{level}` case without the words it stands on"),
                "no quotation",
            );
            self.problems.push(problem.help(
                "quote the contract on the next line, or take the level `record` or `robust`",
            ));
        }
        for quote in case
            .quotes
            .iter()
            .filter(|quote| quote.text.trim().is_empty())
        {
            self.problems.push(Problem::new(
                "no-quotation",
                quote.span,
                "an empty quotation",
                "no words",
            ));
        }
        for name in &case.needs {
            if self.contract.capabilities.contains_key(&name.text) {
                self.needs.insert(name.text.clone());
                continue;
            }
            let help = closest_or_all(
                &name.text,
                "capabilities",
                self.contract.capabilities.keys().map(String::as_str),
            );
            let message = format!(
                "contract `{}` has no capability `{}`",
                self.contract.name, name.text
            );
            self.problems.push(
                Problem::new(
                    "unknown-capability",
                    name.span,
                    message,
                    "unknown capability",
                )
                .maybe_help(help),
            );
        }
    }

    fn profile(&mut self, name: Option<&syntax::Name>) {
        let known = |name: &&syntax::Name| self.contract.profiles.contains_key(&name.text);
        let Some(name) = name.filter(|name| !known(name)) else {
            return;
        };
        let contract = &self.contract.name;
        let message = format!("contract `{contract}` has no profile `{}`", name.text);
        let names = self.contract.profiles.keys().map(String::as_str);
        let help = closest_or_all(&name.text, "profiles", names)
            .unwrap_or_else(|| "name it under `[profiles]` in `contract.toml`".to_owned());
        self.problems.push(
            Problem::new("unknown-profile", name.span, message, "unknown profile").help(help),
        );
    }

    fn environment(&mut self, term: Option<&syntax::Term>) -> Option<Expr> {
        let Some(term) = term else {
            return Some(self.contract.environment.clone());
        };
        self.side = Side::Host;
        let ty = self.contract.driver.environment.clone();
        let syntax::TermKind::Record(fields, None) = &term.kind else {
            return self.mismatch(term, &ty);
        };
        let defaults = match (&self.contract.environment.kind, &ty) {
            (ExprKind::Record(items), _) => items.clone(),
            (ExprKind::Const(Value::Record(values)), Type::Record(fields)) => {
                let default = |(value, field): (&Value, &Field)| Expr {
                    ty: field.ty.clone(),
                    kind: ExprKind::Const(value.clone()),
                    span: term.span,
                };
                values.iter().zip(fields.iter()).map(default).collect()
            }
            _ => Vec::new(),
        };
        let found = self.fields(fields, &ty)?;
        let items = self.record_fields(&found, &ty, Some(&defaults), term)?;
        let kind = match compound::constants(&items) {
            Some(values) => ExprKind::Const(Value::Record(values)),
            None => ExprKind::Record(items),
        };
        Some(Expr {
            ty,
            kind,
            span: term.span,
        })
    }

    /// Notes the capability of a record's field that is given.
    fn need_field(&mut self, ty: &Type, index: usize) {
        let guarded = self
            .contract
            .driver
            .guarded
            .iter()
            .filter(|(record, field, _)| record == ty && *field == index);
        self.needs
            .extend(guarded.map(|(_, _, capability)| capability.clone()));
    }

    fn known_guest(&mut self, guest: &syntax::Guest) -> Option<super::model::Guest> {
        let name = match &guest.name {
            Some(name) => name.text.clone(),
            None if self.guests.is_empty() => "guest".to_owned(),
            None => {
                let problem = Problem::new(
                    "unnamed-guest",
                    guest.span,
                    "only the first guest may go unnamed",
                    "expected a name",
                );
                self.problems.push(problem);
                return None;
            }
        };
        let place = guest.name.as_ref().map_or(guest.span, |name| name.span);
        if let Some(before) = self.guests.iter().find(|known| known.name == name) {
            let problem = Problem::new(
                "duplicate",
                place,
                format!("two guests are named `{name}`"),
                "again here",
            );
            self.problems
                .push(problem.also(before.span, "first named here"));
        }
        if guest
            .copies
            .is_some_and(|copies| copies == 0 || copies > MAX_COPIES)
        {
            self.problems.push(Problem::new(
                "number-range",
                guest.span,
                format!("a guest has 1 to {MAX_COPIES} copies"),
                "out of range",
            ));
        }
        let signals = self.signals.len();
        let checked = self.guest(guest, name.clone());
        // A guest that is wrong is still there, so that the host steps are not reported for it.
        let copies = checked
            .as_ref()
            .map_or(guest.copies.unwrap_or(1), |guest| guest.copies);
        if checked.is_none() {
            self.signals.truncate(signals);
        }
        self.guests.push(Known {
            name,
            copies,
            span: place,
        });
        checked
    }

    fn known_world(&mut self, name: &syntax::Name) -> bool {
        let known = self.contract.world(&name.text).is_some();
        if !known {
            self.problems.push(unknown_world(self.contract, name));
        }
        known
    }

    /// The bytes of a file beside the case file.
    fn beside(&mut self, path: &str) -> io::Result<Vec<u8>> {
        let bytes = (self.files)(path)?;
        self.read.push(bytes.clone());
        Ok(bytes)
    }
}
