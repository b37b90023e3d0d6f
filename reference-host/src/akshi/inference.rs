//! `inference-prompt` and `inference-prompt-with-model`: one agent's models.
//!
//! Without a hint (also with the hint `""`) the models are asked in the order of preference, the local ones first, until
//! one answers. A hint is the name of a model, and this one alone is asked; an unknown name is an `err`.
//!
//! A model that cannot be reached, or answers 429 or 5xx, is asked again, after 100, 200, 400 ... ms (2 s at most), up to
//! [`Limits::inference_retries`] times; one that takes longer than [`Limits::inference_time`] is not. What still fails
//! counts against the model: after [`Limits::breaker_failures`] such calls in a row it is left alone for
//! [`Limits::breaker_time`], then the next call tries it again. So a call takes at most, for each model it asks,
//! `(1 + retries)` times the time of an attempt, and the pauses.
//!
//! A model with a cost is asked only while the kill switch is off and the budget holds the cost, which is taken before
//! the first attempt and given back when the model has refused, or was not reached.

mod breaker;
mod budget;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use url::Url;

use self::breaker::Breaker;
use self::budget::Budget;
use super::error::CallError;
use super::{Limits, Model};
use crate::outbound::chat::{Bounds, Chat, ChatError};
use crate::outbound::url::parse_url;

/// Bytes of a prompt.
const PROMPT_BYTES: usize = 4 << 20;
/// Bytes of an answer.
const ANSWER_BYTES: usize = 8 << 20;
/// Bytes of a model's URL.
const URL_BYTES: usize = 4 << 10;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// The first pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The models of one loaded agent.
#[derive(Debug)]
pub(super) struct Inference {
    /// In the order in which they are asked.
    models: Vec<Route>,
    budget: Budget,
    killed: Arc<AtomicBool>,
    retries: u32,
}

/// One model and how it does.
#[derive(Debug)]
struct Route {
    model: Model,
    url: Url,
    bounds: Bounds,
    /// Built at the first call.
    chat: OnceLock<Result<Chat, String>>,
    breaker: Breaker,
}

impl Inference {
    /// Reads the models; nothing is connected. While `killed` is set, no call with a cost is made.
    ///
    /// # Errors
    /// What is wrong with a model; the agent is refused then.
    pub(super) fn new(
        models: &[Model],
        budget: Option<u64>,
        killed: Arc<AtomicBool>,
        limits: &Limits,
    ) -> Result<Self, String> {
        let route = |model: &Model| {
            let url = parse_url(&model.url, URL_BYTES)
                .map_err(|error| format!("the model {:?}: {error}", model.name))?;
            let bounds = Bounds {
                idle: limits.inference_time,
                total: limits.inference_time,
                answer_bytes: ANSWER_BYTES,
            };
            Ok::<_, String>(Route {
                model: model.clone(),
                url,
                bounds,
                chat: OnceLock::new(),
                breaker: Breaker::new(limits.breaker_failures, limits.breaker_time),
            })
        };
        let mut models = models.iter().map(route).collect::<Result<Vec<_>, _>>()?;
        models.sort_by_key(|route| !route.model.local);
        Ok(Self {
            models,
            budget: Budget::new(budget),
            killed,
            retries: limits.inference_retries,
        })
    }

    /// Both functions; `model` is the hint of the second. The prompt is sent as one user message, unchanged; the answer
    /// is the model's text. May be dropped while it waits.
    ///
    /// # Errors
    /// [`CallError::Denied`] when budget (`budget_exceeded`) or kill switch (`kill_switch`) forbid all models that could
    /// be asked, otherwise [`CallError::Failed`] with what each of them did.
    pub(super) async fn prompt(
        &self,
        model: Option<&str>,
        prompt: &str,
    ) -> Result<String, CallError> {
        if prompt.len() > PROMPT_BYTES {
            return Err(CallError::failed(format!(
                "limit reached: a prompt of {} bytes, allowed are {PROMPT_BYTES}",
                prompt.len()
            )));
        }
        let hint = model.filter(|name| !name.is_empty());
        let fits = |route: &&Route| hint.is_none_or(|name| route.model.name == name);
        let mut errors = Vec::new();
        for route in self.models.iter().filter(fits) {
            match self.ask(route, prompt).await {
                Ok(answer) => return Ok(answer),
                Err(error) => errors.push((&route.model.name, error)),
            }
        }
        Err(match (errors.as_slice(), hint) {
            ([], Some(name)) => CallError::failed(format!("no model {name:?}")),
            ([], None) => CallError::failed("no model is configured"),
            ([(_, only)], _) => only.clone(),
            (all, _)
                if all
                    .iter()
                    .all(|(_, error)| matches!(error, CallError::Denied(_))) =>
            {
                all[0].1.clone()
            }
            (all, _) => {
                let each = all.iter().map(|(name, error)| format!("{name}: {error}"));
                CallError::failed(each.collect::<Vec<_>>().join("; "))
            }
        })
    }

    /// One model's turn.
    async fn ask(&self, route: &Route, prompt: &str) -> Result<String, CallError> {
        route.breaker.admit().map_err(|left| {
            CallError::failed(format!(
                "the model has failed too often; it is asked again in {} ms",
                left.as_millis()
            ))
        })?;
        let cost = route.model.cost;
        self.check_kill_switch(cost)?;
        self.budget.take(cost).map_err(CallError::Denied)?;
        let answer = self.attempts(route, prompt).await;
        match &answer {
            Ok(_) => route.breaker.succeeded(),
            // It may have worked for it.
            Err(Failure::Model(ChatError::Timeout(_) | ChatError::TooLong { .. })) => {
                route.breaker.failed();
            }
            Err(failure) => {
                self.budget.give_back(cost);
                match failure {
                    // What the model says of this prompt says nothing of the next.
                    Failure::Model(ChatError::Status { status, .. })
                        if *status < 500 && *status != 429 => {}
                    Failure::Model(_) => route.breaker.failed(),
                    Failure::Other(_) => {}
                }
            }
        }
        answer.map_err(|failure| match failure {
            Failure::Other(error) => error,
            Failure::Model(error) => {
                let text = error.to_string();
                CallError::failed(match &route.model.key {
                    Some(key) if !key.is_empty() => text.replace(key.as_str(), "[secret]"),
                    _ => text,
                })
            }
        })
    }

    async fn attempts(&self, route: &Route, prompt: &str) -> Result<String, Failure> {
        let chat = route.chat().map_err(Failure::Other)?;
        let mut pause = PAUSE;
        for left in (0..=self.retries).rev() {
            self.check_kill_switch(route.model.cost)
                .map_err(Failure::Other)?;
            let error = match chat.complete(prompt).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let again = match &error {
                ChatError::Transport(_) => true,
                ChatError::Status { status, .. } => *status >= 500 || *status == 429,
                _ => false,
            };
            if !again || left == 0 {
                return Err(Failure::Model(error));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        // The loop runs at least once and returns at its last turn.
        Err(Failure::Other(CallError::failed("no attempt was made")))
    }

    fn check_kill_switch(&self, cost: u64) -> Result<(), CallError> {
        if cost > 0 && self.killed.load(Ordering::SeqCst) {
            return Err(CallError::denied(
                "kill_switch: calls with a cost are halted",
            ));
        }
        Ok(())
    }
}

impl Route {
    fn chat(&self) -> Result<&Chat, CallError> {
        let built = self.chat.get_or_init(|| {
            let Model { name, key, .. } = &self.model;
            Chat::new(&self.url, name, key.clone(), CONNECT, self.bounds)
                .map_err(|error| error.to_string())
        });
        built.as_ref().map_err(CallError::failed)
    }
}

/// Why a model's turn gave nothing.
enum Failure {
    Model(ChatError),
    Other(CallError),
}

#[cfg(test)]
mod tests;
