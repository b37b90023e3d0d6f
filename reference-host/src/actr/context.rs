//! The context that the getters see: there while an export runs, gone otherwise.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ActrId;

/// Who is called by whom, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invocation {
    pub(super) caller: Option<ActrId>,
    pub(super) request_id: String,
}

/// A place for the context of one instance.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot(Arc<Mutex<Option<Invocation>>>);

/// Takes the context away again however the export ends: return, trap, or a call that is given up.
#[derive(Debug)]
#[must_use]
pub(super) struct Installed(Slot);

impl Slot {
    pub(super) fn install(&self, invocation: Invocation) -> Installed {
        *self.place() = Some(invocation);
        Installed(self.clone())
    }

    /// What `get` makes of the context; `None` outside of an export.
    pub(super) fn read<T>(&self, get: impl FnOnce(&Invocation) -> T) -> Option<T> {
        self.place().as_ref().map(get)
    }

    fn place(&self) -> MutexGuard<'_, Option<Invocation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        *self.0.place() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_context_goes_with_a_call_that_is_given_up() {
        let slot = Slot::default();
        let call = async {
            let _installed = slot.install(Invocation {
                caller: None,
                request_id: "r".into(),
            });
            std::future::pending::<()>().await;
        };
        let mut call = Box::pin(call);
        assert!(futures::poll!(&mut call).is_pending());
        assert_eq!(slot.read(|i| i.request_id.clone()), Some("r".into()));
        drop(call);
        assert_eq!(slot.read(|_| ()), None);
    }
}
