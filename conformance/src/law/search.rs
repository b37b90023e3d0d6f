//! Looks for the smallest sample on which something goes wrong.

use std::cell::RefCell;

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, TestCaseError, TestError, TestRunner},
};

use super::subject::Fault;

/// Tries the simplest sample, then random ones until one goes wrong, and shrinks that one. `attempt` is told what was found
/// so far. `config.max_shrink_iters` bounds the attempts to shrink.
///
/// # Errors
/// When the host is lost; when the plugin is spent before anything was found.
pub(crate) fn smallest<S: Strategy, T>(
    config: &Config,
    strategy: &S,
    mut attempt: impl FnMut(S::Value, Option<&T>) -> Result<Option<T>, Fault>,
) -> Result<Option<T>, Fault> {
    let shrinks = config.max_shrink_iters();
    let mut config = config.clone();
    // Proptest would say on standard error that it stops: it is the samples that end.
    config.max_shrink_iters = u32::MAX - 1;
    if let Some(found) = attempt(simplest(&config, strategy)?, None)? {
        return Ok(Some(found));
    }
    // The runner wants a function that does not change; what it found last is the smallest.
    let state = RefCell::new((attempt, shrinks, None, None));
    let outcome = TestRunner::new(config).run(strategy, |sample| {
        let (attempt, shrinks, found, ended) = &mut *state.borrow_mut();
        if found.is_some() {
            match shrinks.checked_sub(1) {
                Some(left) => *shrinks = left,
                None => return Ok(()),
            }
        }
        match attempt(sample, found.as_ref()) {
            Ok(None) => Ok(()),
            Ok(smaller) => {
                *found = smaller;
                Err(TestCaseError::fail("found"))
            }
            // What was found stays found when nothing smaller can be looked for.
            Err(Fault::Spent) if found.is_some() => Ok(()),
            Err(fault) => {
                *ended = Some(fault);
                Err(TestCaseError::fail("ended"))
            }
        }
    });
    let (_, _, found, ended) = state.into_inner();
    match (outcome, ended) {
        (_, Some(fault)) => Err(fault),
        (Err(TestError::Abort(reason)), None) => Err(unmade(&reason)),
        _ => Ok(found),
    }
}

fn simplest<S: Strategy>(config: &Config, strategy: &S) -> Result<S::Value, Fault> {
    let mut tree = strategy
        .new_tree(&mut TestRunner::new(config.clone()))
        .map_err(|reason| unmade(&reason))?;
    while tree.simplify() {}
    Ok(tree.current())
}

fn unmade(reason: &dyn std::fmt::Display) -> Fault {
    Fault::Lost(format!("samples can't be made: {reason}"))
}
