//! What the drivers of the contracts have in common, and which there are.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use serde_json::Value as Json;

use super::{actr, akshi, outbox::Outbox, pie, uni, yoi};
use crate::host::protocol::{Declared, Setup};

/// Something to wait for.
pub(super) type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A call that can't be carried out at all: no such function, arguments of another type. The text is for people.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refusal(pub(super) String);

/// A host that stands in the environment of one case.
pub(super) trait Driver: Send + Sync + 'static {
    /// Whether events may tell of what this function makes, so that its return has to come first.
    fn announces(&self, _function: &str) -> bool {
        false
    }

    /// Calls a function of the driver interface.
    fn call(
        self: Arc<Self>,
        function: String,
        arguments: Vec<Json>,
    ) -> Pending<Result<Json, Refusal>>;

    /// Ends all that runs; when it is ready, no event comes any more.
    fn end(self: Arc<Self>) -> Pending<()>;
}

/// The contracts by name, with what the reference host declares for them.
pub(super) fn contracts() -> BTreeMap<String, Declared> {
    let all = [
        ("actr", actr::declared()),
        ("akshi", akshi::declared()),
        ("pie", pie::declared()),
        ("uni", uni::declared()),
        ("yoi", yoi::declared()),
    ];
    all.map(|(name, declared)| (name.to_owned(), declared))
        .into()
}

/// Puts a host in the environment of a case.
///
/// # Errors
/// Why that is not possible.
pub(super) async fn begin(setup: Setup, outbox: Arc<Outbox>) -> Result<Arc<dyn Driver>, String> {
    match setup.contract.as_str() {
        "actr" => Ok(Arc::new(actr::Actr::begin(setup, outbox)?)),
        "akshi" => Ok(Arc::new(akshi::Akshi::begin(setup, outbox)?)),
        "pie" => Ok(Arc::new(pie::Pie::begin(setup, outbox)?)),
        "uni" => Ok(Arc::new(uni::Uni::begin(setup, outbox)?)),
        "yoi" => Ok(Arc::new(yoi::Yoi::begin(setup, outbox)?)),
        other => Err(format!(
            "the reference host does not know the contract `{other}`"
        )),
    }
}

/// The declaration of these capabilities; `.following(&["NAME"])` adds profiles.
pub(super) fn declare(capabilities: &[&str]) -> Declared {
    Declared {
        capabilities: capabilities.iter().map(|&name| name.to_owned()).collect(),
        profiles: Vec::new(),
    }
}
