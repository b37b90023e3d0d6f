//! Ingress events: what `handle-ingress` is given.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

use crate::yoi::manifest::Ingress;

/// An ingress event; every member is always there, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IngressEvent {
    /// `websocket_text`, `websocket_close`, `websocket_error`, or any other text that is not blank.
    pub kind: String,
    /// Where it comes from: one of the ingress's `sources` for WebSockets of the host, any text that is not blank else.
    pub source: String,
    /// The ingress it is for.
    pub ingress_name: String,
    /// Any JSON.
    pub payload: Value,
    /// When it came about, RFC 3339.
    pub created_at: String,
    /// Which delivery it is, from 1.
    pub attempt: u32,
    /// An id of its own.
    pub correlation_id: String,
}

/// Why an event is not dispatched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// A text that says nothing.
    #[error("`{0}` is blank")]
    Blank(&'static str),
    /// The event names another ingress than it is dispatched to.
    #[error("the event is for the ingress `{event}`, not for `{ingress}`")]
    Ingress {
        /// In the event.
        event: String,
        /// Dispatched to.
        ingress: String,
    },
    /// `created_at` is no time.
    #[error("`created_at` is {0:?}, expected an RFC 3339 time such as 2026-01-02T03:04:05.678Z")]
    CreatedAt(String),
    /// `attempt` counts from 1.
    #[error("`attempt` is 0, expected at least 1")]
    Attempt,
    /// The serialised event is longer than the host hands over.
    #[error("the event exceeds {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The ingress does not take events of this kind.
    #[error("the ingress `{ingress}` takes no events of the kind `{kind}`")]
    Kind {
        /// The ingress.
        ingress: String,
        /// The event's kind.
        kind: String,
    },
}

impl IngressEvent {
    /// A first delivery, made now, with an id of its own.
    pub fn new(ingress: &str, kind: &str, source: &str, payload: Value) -> Self {
        Self {
            kind: kind.to_owned(),
            source: source.to_owned(),
            ingress_name: ingress.to_owned(),
            payload,
            created_at: now(),
            attempt: 1,
            correlation_id: Uuid::new_v4().to_string(),
        }
    }

    /// Checks the event by itself and returns it as the guest gets it.
    ///
    /// # Errors
    /// The first mistake.
    pub fn to_json(&self, ingress: &str, limit: usize) -> Result<String, EventError> {
        let blank = |name, text: &str| match text.trim().is_empty() {
            true => Err(EventError::Blank(name)),
            false => Ok(()),
        };
        blank("source", &self.source)?;
        if self.ingress_name != ingress {
            return Err(EventError::Ingress {
                event: self.ingress_name.clone(),
                ingress: ingress.to_owned(),
            });
        }
        blank("kind", &self.kind)?;
        blank("created_at", &self.created_at)?;
        if OffsetDateTime::parse(&self.created_at, &Rfc3339).is_err() {
            return Err(EventError::CreatedAt(self.created_at.clone()));
        }
        if self.attempt == 0 {
            return Err(EventError::Attempt);
        }
        blank("correlation_id", &self.correlation_id)?;
        // Strings, a number and a tree of values always have a JSON text.
        let text = serde_json::to_string(self).unwrap_or_default();
        if text.len() > limit {
            return Err(EventError::TooLong { limit });
        }
        Ok(text)
    }

    /// # Errors
    /// [`EventError::Kind`]
    pub(in crate::yoi) fn check_kind(&self, ingress: &Ingress) -> Result<(), EventError> {
        let known = ingress.event_kinds.is_empty() || ingress.event_kinds.contains(&self.kind);
        if known {
            return Ok(());
        }
        Err(EventError::Kind {
            ingress: ingress.name.clone(),
            kind: self.kind.clone(),
        })
    }
}

/// The time now as RFC 3339 in UTC with milliseconds.
pub(in crate::yoi) fn now() -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let now = OffsetDateTime::now_utc().to_offset(UtcOffset::UTC);
    // The format has no part that a time of this era lacks.
    now.format(&format).unwrap_or_default()
}
