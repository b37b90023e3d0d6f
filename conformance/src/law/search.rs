//! Looks for the smallest sample on which something goes wrong.

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, TestRunner},
};

use super::subject::Fault;

/// Samples that are made at once, to be tried from the smallest on.
const CHUNK: u32 = 256;

/// Tries the simplest sample, then random ones from the smallest on, until one goes wrong, and shrinks that one. `attempt` is
/// told what was found so far. Of `config` the seed, the number of cases and that of attempts to shrink count.
///
/// # Errors
/// When the host is lost; when the plugin is spent before anything was found.
pub(crate) fn smallest<S: Strategy, T>(
    config: &Config,
    strategy: &S,
    mut attempt: impl FnMut(S::Value, Option<&T>) -> Result<Option<T>, Fault>,
) -> Result<Option<T>, Fault> {
    let mut runner = TestRunner::new(config.clone());
    let mut grow = || {
        let tree = strategy.new_tree(&mut runner);
        tree.map_err(|reason| Fault::Lost(format!("samples can't be made: {reason}")))
    };
    let mut simplest = grow()?;
    while simplest.simplify() {}
    if let Some(found) = attempt(simplest.current(), None)? {
        return Ok(Some(found));
    }
    let mut left = config.cases;
    while left > 0 {
        let size = left.min(CHUNK);
        left -= size;
        let mut trees = (0..size).map(|_| grow()).collect::<Result<Vec<_>, _>>()?;
        // A long sample takes long to shrink.
        trees.sort_by_cached_key(|tree| format!("{:?}", tree.current()).len());
        for tree in trees {
            if let Some(found) = attempt(tree.current(), None)? {
                return shrink(config, tree, found, attempt).map(Some);
            }
        }
    }
    Ok(None)
}

fn shrink<V: ValueTree, T>(
    config: &Config,
    mut tree: V,
    mut found: T,
    mut attempt: impl FnMut(V::Value, Option<&T>) -> Result<Option<T>, Fault>,
) -> Result<T, Fault> {
    let mut more = tree.simplify();
    for _ in 0..config.max_shrink_iters() {
        if !more {
            break;
        }
        more = match attempt(tree.current(), Some(&found)) {
            Ok(Some(smaller)) => {
                found = smaller;
                tree.simplify()
            }
            Ok(None) => tree.complicate(),
            // What was found stays found when nothing smaller can be looked for.
            Err(Fault::Spent) => false,
            Err(fault) => return Err(fault),
        };
    }
    Ok(found)
}
