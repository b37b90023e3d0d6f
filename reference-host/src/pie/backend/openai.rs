//! A backend for servers with the OpenAI chat-completions interface. A command is one user message; its answer is the
//! assistant's text.

use std::time::Duration;

use futures::FutureExt as _;
use url::Url;

use super::{Backend, BackendError, Service};
use crate::outbound::chat::{Bounds, Chat, ChatError};
use crate::pie::ConfigError;

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
    chat: Chat,
}

impl OpenAi {
    /// Prepares the client; does not connect yet.
    ///
    /// # Errors
    /// [`ConfigError::Backend`] when the address is not http(s) or the client cannot be built.
    pub fn new(config: OpenAiConfig) -> Result<Self, ConfigError> {
        let bounds = Bounds {
            idle: config.idle_timeout,
            total: config.total_timeout,
            answer_bytes: config.answer_bytes,
        };
        let chat = Chat::new(
            &config.base,
            config.model,
            config.api_key,
            config.connect_timeout,
            bounds,
        )
        .map_err(|error| ConfigError::Backend(error.to_string()))?;
        Ok(Self { chat })
    }
}

impl Backend for OpenAi {
    fn serve(&self, query: String) -> Service {
        let answer = self.chat.complete(&query);
        Service::Pending(async move { Ok(answer.await?) }.boxed())
    }
}

impl From<ChatError> for BackendError {
    fn from(error: ChatError) -> Self {
        match error {
            ChatError::Status { status, body } => Self::Status { status, body },
            ChatError::Protocol(text) => Self::Protocol(text),
            ChatError::Transport(text) => Self::Transport(text),
            ChatError::Timeout(time) => Self::Timeout(time),
            ChatError::TooLong { limit } => Self::TooLong { limit },
        }
    }
}
