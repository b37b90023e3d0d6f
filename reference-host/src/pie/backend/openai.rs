//! A backend for servers with the OpenAI chat-completions interface: streamed, parsed as it arrives, bounded in time
//! and size. A command is one user message; its answer is the assistant's text.

use std::sync::OnceLock;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use serde::Deserialize;
use url::Url;

use super::sse::EventStream;
use super::{Backend, BackendError};
use crate::pie::ConfigError;

/// Bytes of an error body that are kept.
const ERROR_BODY: usize = 512;

/// Where the server is and what it may take.
#[derive(Debug, Clone)]
pub struct OpenAiConfig {
    /// Base address; `chat/completions` is appended to its path, e.g. `http://127.0.0.1:8000/v1`.
    pub base: Url,
    /// The server's name of the model.
    pub model: String,
    /// Sent as `Authorization: Bearer …`; never logged.
    pub api_key: Option<String>,
    /// For the connection.
    pub connect_timeout: Duration,
    /// Between two parts of the answer, and before the first.
    pub idle_timeout: Duration,
    /// For the whole command.
    pub total_timeout: Duration,
    /// Bytes of the answer, and of one event of the stream.
    pub answer_bytes: usize,
}

impl OpenAiConfig {
    /// This server and model with 5 s to connect, 30 s between parts, 300 s in all, 4 MiB of answer.
    pub fn new(base: Url, model: impl Into<String>) -> Self {
        Self {
            base,
            model: model.into(),
            api_key: None,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(300),
            answer_bytes: 4 << 20,
        }
    }
}

/// The backend. Keeps its connections alive between commands.
#[derive(Debug)]
pub struct OpenAi {
    client: reqwest::Client,
    endpoint: Url,
    config: OpenAiConfig,
}

impl OpenAi {
    /// Prepares the client; does not connect yet.
    ///
    /// # Errors
    /// [`ConfigError::Backend`] when the address is not http(s) or the client cannot be built.
    pub fn new(config: OpenAiConfig) -> Result<Self, ConfigError> {
        if !matches!(config.base.scheme(), "http" | "https") || config.base.cannot_be_a_base() {
            return Err(ConfigError::Backend(format!(
                "the address `{}` is not http or https",
                config.base
            )));
        }
        install_tls();
        let client = reqwest::Client::builder()
            .connect_timeout(config.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ConfigError::Backend(chain(&error)))?;
        let mut endpoint = config.base.clone();
        let path = format!("{}/chat/completions", endpoint.path().trim_end_matches('/'));
        endpoint.set_path(&path);
        Ok(Self {
            client,
            endpoint,
            config,
        })
    }
}

/// The TLS implementation is per process; whoever was first is as good.
fn install_tls() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

impl Backend for OpenAi {
    fn serve(&self, query: String) -> BoxFuture<'static, Result<String, BackendError>> {
        let mut request = self
            .client
            .post(self.endpoint.clone())
            .header("accept", "text/event-stream")
            .json(&serde_json::json!({
                "model": self.config.model,
                "stream": true,
                "messages": [{"role": "user", "content": query}],
            }));
        if let Some(key) = &self.config.api_key {
            request = request.bearer_auth(key);
        }
        let (idle, total) = (self.config.idle_timeout, self.config.total_timeout);
        let limit = self.config.answer_bytes;
        async move {
            tokio::time::timeout(total, complete(request, idle, limit))
                .await
                .map_err(|_| BackendError::Timeout(total))?
        }
        .boxed()
    }
}

async fn complete(
    request: reqwest::RequestBuilder,
    idle: Duration,
    limit: usize,
) -> Result<String, BackendError> {
    let response = within(idle, request.send()).await?.map_err(transport)?;
    let status = response.status();
    let mut body = response.bytes_stream();
    if !status.is_success() {
        let mut text = Vec::new();
        while text.len() < ERROR_BODY
            && let Some(Ok(part)) = within(idle, body.next()).await?
        {
            text.extend_from_slice(&part);
        }
        text.truncate(ERROR_BODY);
        return Err(BackendError::Status {
            status: status.as_u16(),
            body: String::from_utf8_lossy(&text).into_owned(),
        });
    }
    let (mut events, mut answer) = (EventStream::default(), String::new());
    while let Some(part) = within(idle, body.next()).await? {
        for event in events.push(&part.map_err(transport)?) {
            if event == b"[DONE]" {
                return Ok(answer);
            }
            answer.push_str(&delta(&event)?);
            if answer.len() > limit {
                return Err(BackendError::TooLong { limit });
            }
        }
        if events.buffered() > limit {
            return Err(BackendError::TooLong { limit });
        }
    }
    Err(BackendError::Transport(
        "the stream ended before `[DONE]`".into(),
    ))
}

async fn within<F: Future>(idle: Duration, future: F) -> Result<F::Output, BackendError> {
    tokio::time::timeout(idle, future)
        .await
        .map_err(|_| BackendError::Timeout(idle))
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

/// The text that one event adds; some events (roles, usage) add none.
fn delta(event: &[u8]) -> Result<String, BackendError> {
    let chunk: Chunk = serde_json::from_slice(event)
        .map_err(|error| BackendError::Protocol(format!("an event is not a chunk: {error}")))?;
    if let Some(error) = chunk.error {
        let message = error.get("message").and_then(|text| text.as_str());
        let text = message.map_or_else(|| error.to_string(), str::to_owned);
        return Err(BackendError::Protocol(
            text.chars().take(ERROR_BODY).collect(),
        ));
    }
    let first = chunk.choices.into_iter().next();
    Ok(first
        .and_then(|choice| choice.delta)
        .and_then(|delta| delta.content)
        .unwrap_or_default())
}

fn transport(error: reqwest::Error) -> BackendError {
    BackendError::Transport(chain(&error))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
