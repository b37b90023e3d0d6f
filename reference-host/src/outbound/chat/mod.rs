//! A client for the OpenAI chat-completions interface: one user message in, the assistant's text out. It asks for a
//! stream and parses it as it arrives, takes a whole completion too, and is bounded in time and size.

mod sse;

use std::time::Duration;

use futures::StreamExt as _;
use serde::Deserialize;
use url::Url;

use self::sse::EventStream;
use super::with_causes;

/// Bytes of an error's text that are kept.
const ERROR_BODY: usize = 512;

/// The bounds of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Between two parts of the answer, and before the first.
    pub(crate) idle: Duration,
    /// For the whole command.
    pub(crate) total: Duration,
    /// Bytes of the answer, and of one event of the stream.
    pub(crate) answer_bytes: usize,
}

/// One model of one server. Keeps its connections alive between commands.
#[derive(Debug)]
pub(crate) struct Chat {
    client: reqwest::Client,
    endpoint: Url,
    model: String,
    api_key: Option<String>,
    bounds: Bounds,
}

/// Why there is no client for a server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    /// The address is not one.
    #[error("the address `{0}` is not http or https")]
    Address(Url),
    /// The TLS set-up of this machine failed.
    #[error("no HTTP client: {0}")]
    Client(String),
}

/// Why a model gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChatError {
    /// The server answered with a status other than 2xx; the start of its body.
    #[error("the model server answered {status}: {body}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// At most 512 bytes of the body.
        body: String,
    },
    /// The server sent an error, or something that is not the protocol.
    #[error("the model server broke the protocol: {0}")]
    Protocol(String),
    /// The connection failed or ended early.
    #[error("the model server could not be reached: {0}")]
    Transport(String),
    /// No answer, or no further part of it, within this time.
    #[error("the model server did not answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The answer is longer than allowed.
    #[error("the answer is longer than {limit} bytes")]
    TooLong {
        /// Bytes allowed.
        limit: usize,
    },
}

impl Chat {
    /// Prepares the client; does not connect yet. `base` is what `/chat/completions` is appended to, `model` the
    /// server's name of the model, `api_key` is sent as a bearer token.
    ///
    /// # Errors
    /// When the address is not http(s) or the client cannot be built.
    pub(crate) fn new(
        base: &Url,
        model: impl Into<String>,
        api_key: Option<String>,
        connect_timeout: Duration,
        bounds: Bounds,
    ) -> Result<Self, SetupError> {
        if !matches!(base.scheme(), "http" | "https") {
            return Err(SetupError::Address(base.clone()));
        }
        let client = super::client()
            .connect_timeout(connect_timeout)
            .build()
            .map_err(|error| SetupError::Client(with_causes(&error)))?;
        let mut endpoint = base.clone();
        let path = format!("{}/chat/completions", endpoint.path().trim_end_matches('/'));
        endpoint.set_path(&path);
        Ok(Self {
            client,
            endpoint,
            model: model.into(),
            api_key,
            bounds,
        })
    }

    /// Sends one command; the future is its answer and may outlive the client. Dropping it gives the command up.
    ///
    /// # Errors
    /// See [`ChatError`]. No text of it holds the key.
    pub(crate) fn complete(
        &self,
        prompt: &str,
    ) -> impl Future<Output = Result<String, ChatError>> + Send + use<> {
        let mut request = self
            .client
            .post(self.endpoint.clone())
            .header("accept", "text/event-stream, application/json")
            .json(&serde_json::json!({
                "model": self.model,
                "stream": true,
                "messages": [{"role": "user", "content": prompt}],
            }));
        if let Some(key) = &self.api_key {
            request = request.bearer_auth(key);
        }
        let bounds = self.bounds;
        async move {
            tokio::time::timeout(bounds.total, complete(request, bounds))
                .await
                .map_err(|_| ChatError::Timeout(bounds.total))?
        }
    }
}

async fn complete(request: reqwest::RequestBuilder, bounds: Bounds) -> Result<String, ChatError> {
    let Bounds {
        idle, answer_bytes, ..
    } = bounds;
    let response = within(idle, request.send()).await?.map_err(transport)?;
    let status = response.status();
    let whole = is_json(&response);
    let mut body = response.bytes_stream();
    if !status.is_success() {
        let mut text = Vec::new();
        while text.len() < ERROR_BODY
            && let Some(Ok(part)) = within(idle, body.next()).await?
        {
            text.extend_from_slice(&part);
        }
        text.truncate(ERROR_BODY);
        return Err(ChatError::Status {
            status: status.as_u16(),
            body: String::from_utf8_lossy(&text).into_owned(),
        });
    }
    let limit = answer_bytes;
    let (mut events, mut answer, mut bytes) = (EventStream::default(), String::new(), Vec::new());
    while let Some(part) = within(idle, body.next()).await? {
        let part = part.map_err(transport)?;
        if whole {
            // The envelope around the answer may be as long again, and escapes make text longer.
            if bytes.len() + part.len() > limit.saturating_mul(2).saturating_add(64 << 10) {
                return Err(ChatError::TooLong { limit });
            }
            bytes.extend_from_slice(&part);
            continue;
        }
        for event in events.push(&part) {
            if event == b"[DONE]" {
                return Ok(answer);
            }
            let chunk = chunk(&event)?;
            answer.push_str(
                &chunk
                    .and_then(|choice| choice.delta)
                    .unwrap_or_default()
                    .text(),
            );
            if answer.len() > limit {
                return Err(ChatError::TooLong { limit });
            }
        }
        if events.buffered() > limit {
            return Err(ChatError::TooLong { limit });
        }
    }
    if !whole {
        return Err(ChatError::Transport(
            "the stream ended before `[DONE]`".into(),
        ));
    }
    let message = chunk(&bytes)?.and_then(|choice| choice.message);
    let Some(Delta {
        content: Some(answer),
    }) = message
    else {
        return Err(ChatError::Protocol("the completion has no text".into()));
    };
    if answer.len() > limit {
        return Err(ChatError::TooLong { limit });
    }
    Ok(answer)
}

fn is_json(response: &reqwest::Response) -> bool {
    response
        .headers()
        .get("content-type")
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim().starts_with("application/json"))
}

async fn within<F: Future>(idle: Duration, future: F) -> Result<F::Output, ChatError> {
    tokio::time::timeout(idle, future)
        .await
        .map_err(|_| ChatError::Timeout(idle))
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice {
    /// What one event of a stream adds; some events (roles, usage) add none.
    delta: Option<Delta>,
    /// The whole answer.
    message: Option<Delta>,
}

#[derive(Default, Deserialize)]
struct Delta {
    content: Option<String>,
}

impl Delta {
    fn text(self) -> String {
        self.content.unwrap_or_default()
    }
}

/// The first choice of an event, or of a whole completion.
fn chunk(event: &[u8]) -> Result<Option<Choice>, ChatError> {
    let chunk: Chunk = serde_json::from_slice(event)
        .map_err(|error| ChatError::Protocol(format!("an event is not a chunk: {error}")))?;
    if let Some(error) = chunk.error {
        let message = error.get("message").and_then(|text| text.as_str());
        let text = message.map_or_else(|| error.to_string(), str::to_owned);
        return Err(ChatError::Protocol(text.chars().take(ERROR_BODY).collect()));
    }
    Ok(chunk.choices.into_iter().next())
}

fn transport(error: reqwest::Error) -> ChatError {
    ChatError::Transport(with_causes(&error.without_url()))
}
