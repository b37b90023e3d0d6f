//! A connection to a running MCP server, and the processes behind it.

use std::time::Duration;

use reqwest::Client as HttpClient;
use rmcp::model::{ClientCapabilities, ClientConfig, Implementation};
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{Peer, RoleClient, ServiceExt as _};

use super::super::Transport;
use super::super::error::CallError;
use super::process::Process;
use crate::outbound::{self, with_causes};

/// How long saying goodbye may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A server that has answered `initialize`. Its processes end when this is dropped.
#[derive(Debug)]
pub(super) struct Client {
    service: RunningService<RoleClient, ClientConfig>,
    process: Option<Process>,
}

impl Client {
    /// Starts a server, or connects to it, and greets it. Messages of more than `bytes` bytes are passed over.
    ///
    /// # Errors
    /// [`CallError::Failed`].
    pub(super) async fn start(transport: &Transport, bytes: usize) -> Result<Self, CallError> {
        let about = Implementation::new("akshi-reference-host", env!("CARGO_PKG_VERSION"));
        let info = ClientConfig::new(ClientCapabilities::default(), about);
        let (greeted, process) = match transport {
            Transport::Http(url) => {
                let config = StreamableHttpClientTransportConfig::with_uri(url.as_str())
                    .max_sse_event_size(bytes);
                let transport = StreamableHttpClientTransport::with_client(http()?, config);
                (info.serve(transport).await, None)
            }
            Transport::Stdio {
                command,
                environment,
            } => {
                let (process, stdout, stdin) =
                    Process::start(command, environment).map_err(|error| {
                        CallError::failed(format!("the server cannot be started: {error}"))
                    })?;
                let transport =
                    AsyncRwTransport::new_client(stdout, stdin).with_max_line_length(bytes);
                (info.serve(transport).await, Some(process))
            }
        };
        let service = greeted.map_err(|error| {
            CallError::failed(format!(
                "the server gave no greeting: {}",
                with_causes(&error)
            ))
        })?;
        Ok(Self { service, process })
    }

    /// To ask it.
    pub(super) fn peer(&self) -> &Peer<RoleClient> {
        self.service.peer()
    }

    /// Whether it can still be asked.
    pub(super) fn is_running(&mut self) -> bool {
        let exited = self.process.as_mut().is_some_and(Process::has_exited);
        !exited && !self.service.is_closed() && !self.service.peer().is_transport_closed()
    }

    /// Ends it in the way of the protocol, then by force.
    pub(super) async fn stop(mut self) {
        // A program sees the end of its input, an HTTP server the end of its session.
        let _ = self.service.close_with_timeout(FAREWELL).await;
        if let Some(process) = self.process {
            process.stop().await;
        }
    }
}

fn http() -> Result<HttpClient, CallError> {
    outbound::client()
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(0)
        .build()
        .map_err(|error| CallError::failed(format!("no HTTP client: {}", with_causes(&error))))
}
