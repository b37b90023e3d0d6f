//! Hears a run and passes it on: to a person or to a program.

use std::{
    io::{self, Write},
    time::Duration,
};

use super::expectations::Expectations;
use crate::{
    case::model::Case,
    host::protocol::Hello,
    report::{json, terminal::Terminal},
    run::{Event, Floor, verdict::Outcome},
};

/// Whom a run is told to.
pub(super) enum Teller<'a> {
    Person(Terminal<&'a mut (dyn Write + Send)>),
    Program(&'a mut (dyn Write + Send)),
}

/// What was heard of a run so far.
pub(super) struct Told<'a> {
    cases: &'a [&'a Case],
    expectations: &'a Expectations,
    pub(super) teller: Teller<'a>,
    /// Once a host was up.
    pub(super) hello: Option<Hello>,
    pub(super) results: Vec<(&'a Case, Outcome)>,
    pub(super) wall: Duration,
    pub(super) floor: Option<Floor>,
    /// The first thing that could not be written.
    pub(super) problem: Option<io::Error>,
}

impl<'a> Told<'a> {
    pub(super) fn new(
        cases: &'a [&'a Case],
        expectations: &'a Expectations,
        teller: Teller<'a>,
    ) -> Self {
        Told {
            cases,
            expectations,
            teller,
            hello: None,
            results: Vec::new(),
            wall: Duration::ZERO,
            floor: None,
            problem: None,
        }
    }

    pub(super) fn hear(&mut self, event: Event) {
        if let Err(error) = self.pass_on(event) {
            self.problem.get_or_insert(error);
        }
    }

    fn pass_on(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Started { hello, cases } => {
                let hello = self.hello.insert(hello);
                match &mut self.teller {
                    Teller::Person(terminal) => terminal.started(hello, cases),
                    Teller::Program(out) => writeln!(out, "{}", json::started(hello, cases)),
                }
            }
            Event::Begun { case } => {
                if let (Teller::Person(terminal), Some(case)) = (&self.teller, self.cases.get(case))
                {
                    terminal.begun(case);
                }
                Ok(())
            }
            Event::Ended { case, outcome } => {
                let Some(case) = self.cases.get(case).copied() else {
                    return Ok(());
                };
                let expected = self.expectations.expects(&outcome);
                let told = match &mut self.teller {
                    Teller::Person(terminal) => terminal.ended(case, &outcome, expected),
                    Teller::Program(out) => {
                        writeln!(out, "{}", json::ended(case, &outcome, expected))
                    }
                };
                self.results.push((case, *outcome));
                told
            }
            Event::Finished { wall, floor } => {
                (self.wall, self.floor) = (wall, floor);
                Ok(())
            }
        }
    }
}
