//! Which cases a command is about.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::{Problem, Selection};
use crate::{case::model::Case, suite::Suite};

/// A share of the cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// From 1 to `of`.
    index: u64,
    of: u64,
}

impl Partition {
    pub(super) fn parse(text: &str) -> Result<Partition, String> {
        let expected = || format!("expected `hash:I/N` with 1 <= I <= N, found `{text}`");
        let (index, of) = text
            .strip_prefix("hash:")
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(expected)?;
        let partition = Partition {
            index: index.parse().map_err(|_| expected())?,
            of: of.parse().map_err(|_| expected())?,
        };
        if (1..=partition.of).contains(&partition.index) {
            Ok(partition)
        } else {
            Err(expected())
        }
    }

    fn has(self, id: &str) -> bool {
        let digest = Sha256::digest(id.as_bytes());
        let hash = digest
            .iter()
            .take(8)
            .fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
        hash % self.of == self.index - 1
    }
}

impl Selection {
    /// The cases, at least one.
    pub(super) fn cases<'a>(&self, suite: &'a Suite) -> Result<Vec<&'a Case>, Problem> {
        // Beside others that match, a misspelt glob would go unseen.
        let idle = |glob: &&String| !suite.cases.iter().any(|case| matches(glob, &case.id));
        if let Some(glob) = self.ids.iter().find(idle) {
            return Err(Problem::nothing(format!("no case matches `{glob}`")));
        }
        let cases: Vec<&Case> = suite.cases.iter().filter(|case| self.has(case)).collect();
        if cases.is_empty() {
            return Err(Problem::nothing("no case is selected"));
        }
        Ok(cases)
    }

    fn has(&self, case: &Case) -> bool {
        (self.ids.is_empty() || self.ids.iter().any(|glob| matches(glob, &case.id)))
            && self
                .contract
                .as_ref()
                .is_none_or(|contract| *contract == case.contract)
            && self
                .world
                .as_ref()
                .is_none_or(|world| case.guests.iter().any(|guest| guest.world == *world))
            && (self.level.is_empty() || self.level.iter().any(|level| level == case.level.name()))
            && self
                .partition
                .is_none_or(|partition| partition.has(&case.id))
    }
}

/// The profiles of these names.
pub(super) fn known_profiles(suite: &Suite, names: &[String]) -> Result<BTreeSet<String>, Problem> {
    let contracts = suite.contracts.values();
    let known: BTreeSet<&String> = contracts
        .flat_map(|(contract, _)| contract.profiles.keys())
        .collect();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
        let there = match known.as_slice() {
            [] => "there is none".to_owned(),
            known => format!("there is {}", known.join(", ")),
        };
        return Err(Problem::usage(format!("no profile `{name}`; {there}")));
    }
    Ok(names.iter().cloned().collect())
}

/// Whether a glob (`*` any run, `?` any one character) matches all of a text.
pub(super) fn matches(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut g, mut t, mut back) = (0, 0, None);
    while t < text.len() {
        if glob.get(g) == Some(&'*') {
            back = Some((g, t));
            g += 1;
        } else if glob.get(g) == Some(&'?') || glob.get(g) == text.get(t) {
            g += 1;
            t += 1;
        } else if let Some((star, from)) = back {
            (g, t, back) = (star + 1, from + 1, Some((star, from + 1)));
        } else {
            return false;
        }
    }
    glob.iter().skip(g).all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_ids() {
        assert!(matches("pie.*", "pie.core.store-get.missing-key"));
        assert!(matches("*store-?et*", "pie.core.store-get.missing-key"));
        assert!(matches("a*b*c", "a-b-b-c"));
        assert!(!matches("pie", "pie.core"));
        assert!(!matches("a*b", "a-b-c"));
        assert!(matches("*", ""));
    }

    #[test]
    fn every_id_is_in_exactly_one_share() {
        for id in ["a", "b", "pie.core.x", ""] {
            let shares = (1..=5)
                .filter(|index| {
                    Partition {
                        index: *index,
                        of: 5,
                    }
                    .has(id)
                })
                .count();
            assert_eq!(shares, 1);
        }
        for wrong in ["1/2", "hash:0/2", "hash:3/2", "hash:a/b", "hash:1/0"] {
            assert!(Partition::parse(wrong).is_err(), "{wrong}");
        }
    }
}
