//! What an agent may still spend.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A sum that only shrinks, but for what is given back.
#[derive(Debug)]
pub(super) struct Budget {
    left: Mutex<Option<u64>>,
}

impl Budget {
    /// `None`: nothing may be spent, as none is configured.
    pub(super) fn new(left: Option<u64>) -> Self {
        Self {
            left: Mutex::new(left),
        }
    }

    /// Takes a cost; what is free needs no budget.
    ///
    /// # Errors
    /// Why not, beginning with `budget_exceeded`.
    pub(super) fn take(&self, cost: u64) -> Result<(), String> {
        if cost == 0 {
            return Ok(());
        }
        let mut left = self.left();
        match *left {
            None => Err("budget_exceeded: no budget is configured".into()),
            Some(sum) if sum < cost => Err(format!(
                "budget_exceeded: the call costs {cost}, {sum} are left"
            )),
            Some(sum) => {
                *left = Some(sum - cost);
                Ok(())
            }
        }
    }

    /// Gives back what [`Budget::take`] took.
    pub(super) fn give_back(&self, cost: u64) {
        let mut left = self.left();
        *left = left.map(|sum| sum.saturating_add(cost));
    }

    fn left(&self) -> MutexGuard<'_, Option<u64>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_spent_to_the_last_unit_and_not_beyond() {
        let budget = Budget::new(Some(5));
        assert!(budget.take(3).is_ok());
        assert!(
            budget
                .take(3)
                .expect_err("spent")
                .starts_with("budget_exceeded")
        );
        assert!(budget.take(2).is_ok());
        assert!(budget.take(1).is_err());
        assert!(budget.take(0).is_ok());
        budget.give_back(2);
        assert!(budget.take(2).is_ok());
        assert!(Budget::new(None).take(1).is_err());
        assert!(Budget::new(None).take(0).is_ok());
    }
}
