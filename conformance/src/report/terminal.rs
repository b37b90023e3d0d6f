//! What a person sees: a bar that moves on a terminal, plain text elsewhere.

use std::{
    io::{self, IsTerminal as _, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    failure::{self, Command},
    summary::Summary,
};
use crate::{
    case::model::Case,
    host::protocol::Hello,
    run::verdict::{Outcome, Verdict},
};

/// Tells a run to a person.
pub struct Terminal<W: Write> {
    out: W,
    bar: ProgressBar,
    command: Command,
    verbose: bool,
}

impl<W: Write> Terminal<W> {
    /// Writes to `out`; the bar goes to standard error, if that is a terminal.
    pub fn new(out: W, command: Command, verbose: bool) -> Self {
        let bar = ProgressBar::no_length();
        let target = if io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        bar.set_draw_target(target);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        Terminal {
            out,
            bar,
            command,
            verbose,
        }
    }

    /// A host is up.
    ///
    /// # Errors
    /// When `out` can't be written to.
    pub fn started(&mut self, hello: &Hello, cases: usize) -> io::Result<()> {
        self.bar.set_length(cases as u64);
        let noun = if cases == 1 { "case" } else { "cases" };
        writeln!(self.out, "{} {}: {cases} {noun}", hello.name, hello.version)
    }

    /// A case was begun.
    pub fn begun(&self, case: &Case) {
        self.bar.set_message(case.id.clone());
    }

    /// A case is over.
    ///
    /// # Errors
    /// When `out` can't be written to.
    pub fn ended(&mut self, case: &Case, outcome: &Outcome, expected: bool) -> io::Result<()> {
        self.bar.inc(1);
        let Self {
            out,
            bar,
            command,
            verbose,
        } = self;
        bar.suspend(|| match &outcome.verdict {
            verdict if verdict.is_red() && !expected => writeln!(
                out,
                "\n{}",
                failure::show(case, outcome, command).trim_end()
            ),
            Verdict::Chose { outcomes } if *verbose => {
                writeln!(out, "chose {}: {}", case.id, outcomes.join(", "))
            }
            Verdict::Unsupported { capabilities } if *verbose => {
                writeln!(out, "unsupported {}: {}", case.id, capabilities.join(", "))
            }
            verdict if *verbose => writeln!(out, "{} {}", verdict.name(), case.id),
            _ => Ok(()),
        })
    }

    /// Everything is over.
    ///
    /// # Errors
    /// When `out` can't be written to.
    pub fn finished(
        &mut self,
        summary: &Summary,
        notes: &[String],
        timings: bool,
    ) -> io::Result<()> {
        self.bar.finish_and_clear();
        let wall = Duration::from_micros(summary.wall_us);
        writeln!(
            self.out,
            "{} in {:.1} s",
            summary.counts(),
            wall.as_secs_f64()
        )?;
        if let Some(floor) = &summary.floor {
            writeln!(
                self.out,
                "{:.1} s without the waits that cases demand: {:.2} times the floor of {:.1} s, in which the same guests were \
                 compiled, instantiated and run, and nothing was judged",
                floor.run_us as f64 / 1e6,
                floor.ratio,
                floor.wall_us as f64 / 1e6,
            )?;
        }
        if timings {
            writeln!(self.out, "slowest:")?;
            for (id, micros) in &summary.slowest {
                writeln!(self.out, "  {:>8.1} ms  {id}", *micros as f64 / 1000.0)?;
            }
        }
        notes
            .iter()
            .try_for_each(|note| writeln!(self.out, "{note}"))
    }
}
