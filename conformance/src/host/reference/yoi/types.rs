//! `wit/driver/yoi.wit` as serde types, and what they are in the words of `reference_host::yoi`.

use std::time::Duration;

use reference_host::yoi::{self, CallError, CommandStatus, Lifecycle};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::host::reference::wire::{Long, Opt};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Environment {
    pub(super) manifest: Manifest,
    pub(super) grants: Grants,
    pub(super) config: Opt<String>,
    pub(super) limits: Opt<Limits>,
    pub(super) import_failures: Opt<ImportFailure>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Manifest {
    id: Opt<String>,
    version: Opt<String>,
    surfaces: Opt<Vec<Surface>>,
    tools: Opt<Vec<Tool>>,
    ingresses: Opt<Vec<Ingress>>,
    permissions: Opt<Vec<Permission>>,
    request_targets: Opt<Vec<RequestTarget>>,
    websocket_targets: Opt<Vec<WebSocketTarget>>,
}

impl Manifest {
    /// The manifest of a guest, with the driver's defaults.
    pub(super) fn of(&self, guest: &str) -> yoi::Manifest {
        let Self {
            id,
            version,
            surfaces,
            tools,
            ingresses,
            permissions,
            request_targets,
            websocket_targets,
        } = self.clone();
        let tool = |name: &str| yoi::Tool {
            name: name.to_owned(),
            external_write: false,
        };
        let feed = || yoi::Ingress {
            name: "feed".to_owned(),
            sources: Vec::new(),
            event_kinds: Vec::new(),
        };
        let loopback = || yoi::Place {
            scheme: "*".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: None,
            path_prefixes: Vec::new(),
        };
        let mut manifest = yoi::Manifest {
            id: id.0.unwrap_or_else(|| format!("witgate.{guest}")),
            version: version.0.unwrap_or_else(|| "1.0.0".to_owned()),
            tools: all(tools).unwrap_or_else(|| vec![tool("tool"), tool("other")]),
            ingresses: all(ingresses).unwrap_or_else(|| vec![feed()]),
            request_targets: all(request_targets).unwrap_or_else(|| {
                vec![yoi::RequestTarget {
                    place: loopback(),
                    methods: Vec::new(),
                }]
            }),
            websocket_targets: all(websocket_targets)
                .unwrap_or_else(|| vec![yoi::WebSocketTarget { place: loopback() }]),
            ..yoi::Manifest::default()
        }
        .asking_for_all();
        if let Some(surfaces) = all(surfaces) {
            manifest.surfaces = surfaces.into_iter().collect();
        }
        if let Some(permissions) = all(permissions) {
            manifest.permissions = permissions.into_iter().collect();
        }
        manifest
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Grants {
    id: Opt<String>,
    version: Opt<String>,
    digest: Opt<String>,
    surfaces: Opt<Vec<Surface>>,
    permissions: Opt<Vec<Permission>>,
    request_targets: Opt<Vec<RequestTarget>>,
    websocket_targets: Opt<Vec<WebSocketTarget>>,
    fs: Opt<Vec<FsRoot>>,
}

impl Grants {
    /// The grants for a plugin, everything it asks for where they say nothing.
    pub(super) fn of(&self, manifest: &yoi::Manifest, digest: &str) -> yoi::Grants {
        let own = yoi::Grants::all_of(manifest, digest);
        let given = self.clone();
        yoi::Grants {
            id: given.id.0.unwrap_or(own.id),
            version: given.version.0.unwrap_or(own.version),
            digest: given.digest.0.unwrap_or(own.digest),
            surfaces: all(given.surfaces)
                .map_or(own.surfaces, |surfaces| surfaces.into_iter().collect()),
            permissions: all(given.permissions).map_or(own.permissions, |permissions| {
                permissions.into_iter().collect()
            }),
            request_targets: all(given.request_targets).unwrap_or(own.request_targets),
            websocket_targets: all(given.websocket_targets).unwrap_or(own.websocket_targets),
            fs: all(given.fs).unwrap_or(own.fs),
        }
    }
}

/// A list that is given, in the words of the host.
fn all<T: Into<U>, U>(list: Opt<Vec<T>>) -> Option<Vec<U>> {
    list.0
        .map(|items| items.into_iter().map(Into::into).collect())
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Tool {
    name: String,
    external_write: bool,
}

impl From<Tool> for yoi::Tool {
    fn from(tool: Tool) -> Self {
        Self {
            name: tool.name,
            external_write: tool.external_write,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Ingress {
    name: String,
    sources: Opt<Vec<String>>,
    event_kinds: Opt<Vec<String>>,
}

impl From<Ingress> for yoi::Ingress {
    fn from(ingress: Ingress) -> Self {
        Self {
            name: ingress.name,
            sources: ingress.sources.0.unwrap_or_default(),
            event_kinds: ingress.event_kinds.0.unwrap_or_default(),
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Surface {
    Tool,
    Service,
    Ingress,
}

impl From<Surface> for yoi::Surface {
    fn from(surface: Surface) -> Self {
        match surface {
            Surface::Tool => Self::Tool,
            Surface::Service => Self::Service,
            Surface::Ingress => Self::Ingress,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum HostApi {
    Request,
    Websocket,
    Fs,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Permission {
    Tool(String),
    ToolNamespace(String),
    Ingress(String),
    HostApi(HostApi),
    ExternalWrite(()),
}

impl From<Permission> for yoi::Permission {
    fn from(permission: Permission) -> Self {
        match permission {
            Permission::Tool(name) => Self::Tool(name),
            Permission::ToolNamespace(prefix) => Self::ToolNamespace(prefix),
            Permission::Ingress(name) => Self::Ingress(name),
            Permission::HostApi(HostApi::Request) => Self::HostApi(yoi::HostApi::Request),
            Permission::HostApi(HostApi::Websocket) => Self::HostApi(yoi::HostApi::WebSocket),
            Permission::HostApi(HostApi::Fs) => Self::HostApi(yoi::HostApi::Fs),
            Permission::ExternalWrite(()) => Self::ExternalWrite,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RequestTarget {
    scheme: String,
    host: String,
    port: Opt<u16>,
    methods: Opt<Vec<String>>,
    path_prefixes: Opt<Vec<String>>,
}

impl From<RequestTarget> for yoi::RequestTarget {
    fn from(target: RequestTarget) -> Self {
        Self {
            place: yoi::Place {
                scheme: target.scheme,
                host: target.host,
                port: target.port.0,
                path_prefixes: target.path_prefixes.0.unwrap_or_default(),
            },
            methods: target.methods.0.unwrap_or_default(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WebSocketTarget {
    scheme: String,
    host: String,
    port: Opt<u16>,
    path_prefixes: Opt<Vec<String>>,
}

impl From<WebSocketTarget> for yoi::WebSocketTarget {
    fn from(target: WebSocketTarget) -> Self {
        Self {
            place: yoi::Place {
                scheme: target.scheme,
                host: target.host,
                port: target.port.0,
                path_prefixes: target.path_prefixes.0.unwrap_or_default(),
            },
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FsRoot {
    path: String,
    operations: Vec<FsOperation>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FsOperation {
    Read,
    List,
    Write,
}

impl From<FsRoot> for yoi::FsRoot {
    fn from(root: FsRoot) -> Self {
        let operation = |operation| match operation {
            FsOperation::Read => yoi::FsOperation::Read,
            FsOperation::List => yoi::FsOperation::List,
            FsOperation::Write => yoi::FsOperation::Write,
        };
        Self {
            path: root.path.into(),
            operations: root.operations.into_iter().map(operation).collect(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Limits {
    memory_bytes: Long<u64>,
    table_elements: u32,
    compute_ms: Long<u64>,
    envelope_bytes: Long<u64>,
    queue_capacity: u32,
    component_bytes: Opt<Long<u64>>,
}

impl Limits {
    /// These limits, the host's own where they are zero.
    pub(super) fn apply(&self) -> yoi::Limits {
        let mut limits = yoi::Limits::yoi();
        if self.memory_bytes.0 != 0 {
            limits.memory_bytes = self.memory_bytes.0;
        }
        if self.table_elements != 0 {
            limits.table_elements = self.table_elements;
        }
        if self.compute_ms.0 != 0 {
            limits.compute_time = Duration::from_millis(self.compute_ms.0);
        }
        if self.envelope_bytes.0 != 0 {
            let bytes = usize::try_from(self.envelope_bytes.0).unwrap_or(usize::MAX);
            limits.input_bytes = bytes;
            limits.output_bytes = bytes;
            limits.content_bytes = bytes;
            limits.event_bytes = bytes;
        }
        if self.queue_capacity != 0 {
            limits.queue_capacity = self.queue_capacity as usize;
        }
        if let Some(bytes) = &self.component_bytes.0 {
            limits.component_bytes = usize::try_from(bytes.0).unwrap_or(usize::MAX);
        }
        limits
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ImportFailure {
    Trap,
    Json,
}

impl From<ImportFailure> for yoi::ImportFailure {
    fn from(failure: ImportFailure) -> Self {
        match failure {
            ImportFailure::Trap => Self::Trap,
            ImportFailure::Json => Self::Json,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Failure {
    Refused(String),
    Trap(String),
    Output(String),
    Timeout(String),
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let text = error.to_string();
        match error {
            CallError::Trap(_) => Self::Trap(text),
            CallError::Output(_) => Self::Output(text),
            CallError::Timeout { .. } => Self::Timeout(text),
            _ => Self::Refused(text),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ToolOutput {
    summary: String,
    content: Opt<String>,
}

impl From<yoi::ToolOutput> for ToolOutput {
    fn from(output: yoi::ToolOutput) -> Self {
        Self {
            summary: output.summary,
            content: Opt(output.content),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct IngressEvent {
    kind: String,
    source: String,
    payload: String,
    ingress_name: Opt<String>,
    created_at: Opt<String>,
    attempt: Opt<u32>,
    correlation_id: Opt<String>,
}

impl IngressEvent {
    /// The event for an ingress, with the driver's defaults.
    pub(super) fn event(self, ingress: &str) -> Result<yoi::IngressEvent, String> {
        let payload: Json = serde_json::from_str(&self.payload)
            .map_err(|error| format!("the payload is no JSON: {error}"))?;
        let fresh = yoi::IngressEvent::new(ingress, &self.kind, &self.source, payload);
        Ok(yoi::IngressEvent {
            ingress_name: self.ingress_name.0.unwrap_or(fresh.ingress_name),
            created_at: self.created_at.0.unwrap_or(fresh.created_at),
            attempt: self.attempt.0.unwrap_or(fresh.attempt),
            correlation_id: self.correlation_id.0.unwrap_or(fresh.correlation_id),
            ..fresh
        })
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Snapshot {
    lifecycle: &'static str,
    component_status: Opt<String>,
    last_error: Opt<String>,
    queue_depth: usize,
    counters: Opt<Counters>,
    results: Vec<CommandResult>,
    connections: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Counters {
    enqueued: u64,
    dispatched: u64,
    rejected: u64,
    failed: u64,
    timed_out: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct CommandResult {
    correlation_id: Opt<String>,
    source_event_id: Opt<String>,
    command_id: Opt<String>,
    kind: Opt<String>,
    status: &'static str,
    message: String,
}

impl From<yoi::Snapshot> for Snapshot {
    fn from(snapshot: yoi::Snapshot) -> Self {
        let counters = snapshot.counters;
        Self {
            lifecycle: match snapshot.lifecycle {
                Lifecycle::Ready => "ready",
                Lifecycle::Starting => "starting",
                Lifecycle::Running => "running",
                Lifecycle::Stopping => "stopping",
                Lifecycle::Stopped => "stopped",
                Lifecycle::Failed => "failed",
            },
            component_status: Opt(snapshot.component_status.map(|status| status.to_string())),
            last_error: Opt(snapshot.last_error),
            queue_depth: snapshot.queue_depth,
            counters: Opt(Some(Counters {
                enqueued: counters.enqueued,
                dispatched: counters.dispatched,
                rejected: counters.rejected,
                failed: counters.failed,
                timed_out: counters.timed_out,
            })),
            results: snapshot.results.into_iter().map(Into::into).collect(),
            connections: snapshot.connections,
        }
    }
}

impl From<yoi::CommandResult> for CommandResult {
    fn from(result: yoi::CommandResult) -> Self {
        Self {
            correlation_id: Opt(result.correlation_id),
            source_event_id: Opt(result.source_event_id),
            command_id: Opt(result.command_id),
            kind: Opt(result.kind),
            status: match result.status {
                CommandStatus::Recorded => "recorded",
                CommandStatus::Rejected => "rejected",
                CommandStatus::Unsupported => "unsupported",
            },
            message: result.message,
        }
    }
}
