//! `wit/driver/akshi.wit` as serde types, and what they are in the words of `reference_host::akshi`.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use reference_host::akshi::{self, AgentConfig, Transport};
use serde::{Deserialize, Serialize};

use crate::host::reference::wire::{Long, Opt};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Environment {
    capabilities: Vec<String>,
    endpoints: Vec<Endpoint>,
    mcp_servers: Vec<McpServer>,
    models: Vec<Model>,
    config: Vec<ConfigEntry>,
    channels: Vec<Channel>,
    budget: Opt<Long<u64>>,
    approvals: Opt<Vec<String>>,
    log_level: Opt<String>,
    pub(super) limits: Opt<Limits>,
}

impl Environment {
    /// What an agent without settings is loaded with; its name is empty.
    pub(super) fn agent(&self) -> Result<AgentConfig, String> {
        Settings {
            name: Opt(None),
            capabilities: Opt(Some(self.capabilities.clone())),
            endpoints: Opt(Some(self.endpoints.clone())),
            mcp_servers: Opt(Some(self.mcp_servers.clone())),
            models: Opt(Some(self.models.clone())),
            config: Opt(Some(self.config.clone())),
            channels: Opt(Some(self.channels.clone())),
            budget: self.budget.clone(),
            approvals: self.approvals.clone(),
            log_level: self.log_level.clone(),
        }
        .apply(AgentConfig::default())
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Settings {
    name: Opt<String>,
    capabilities: Opt<Vec<String>>,
    endpoints: Opt<Vec<Endpoint>>,
    mcp_servers: Opt<Vec<McpServer>>,
    models: Opt<Vec<Model>>,
    config: Opt<Vec<ConfigEntry>>,
    channels: Opt<Vec<Channel>>,
    budget: Opt<Long<u64>>,
    approvals: Opt<Vec<String>>,
    log_level: Opt<String>,
}

impl Settings {
    /// Whether they give the agent a name.
    pub(super) fn is_named(&self) -> bool {
        self.name.0.is_some()
    }

    /// These settings, and those of `base` where they say nothing.
    pub(super) fn apply(self, mut base: AgentConfig) -> Result<AgentConfig, String> {
        if let Some(name) = self.name.0 {
            base.name = name;
        }
        if let Some(names) = self.capabilities.0 {
            base.capabilities = words(&names)?.into_iter().collect();
        }
        if let Some(endpoints) = self.endpoints.0 {
            base.endpoints = endpoints.into_iter().map(Into::into).collect();
        }
        if let Some(servers) = self.mcp_servers.0 {
            base.mcp_servers = servers
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?;
        }
        if let Some(models) = self.models.0 {
            base.models = models.into_iter().map(Into::into).collect();
        }
        if let Some(config) = self.config.0 {
            base.config = config.into_iter().map(Into::into).collect();
        }
        if let Some(channels) = self.channels.0 {
            base.channels = channels.into_iter().map(Into::into).collect();
        }
        if let Some(budget) = self.budget.0 {
            base.budget = Some(budget.0);
        }
        if let Some(names) = self.approvals.0 {
            base.approvals = words(&names)?.into_iter().collect();
        }
        if let Some(level) = self.log_level.0 {
            base.log_level = level.parse().map_err(shown)?;
        }
        Ok(base)
    }
}

/// Names of a closed set.
fn words<T: FromStr<Err = akshi::UnknownWord>>(names: &[String]) -> Result<Vec<T>, String> {
    names
        .iter()
        .map(|name| name.parse().map_err(shown))
        .collect()
}

pub(super) fn shown(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Endpoint {
    host: String,
    path_prefix: Opt<String>,
    secret: Opt<Secret>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    header: String,
    value: String,
}

impl From<Endpoint> for akshi::Endpoint {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            host: endpoint.host,
            path_prefix: endpoint.path_prefix.0,
            secret: endpoint.secret.0.map(|secret| akshi::Secret {
                header: secret.header,
                value: secret.value,
            }),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct McpServer {
    name: String,
    command: Opt<Vec<String>>,
    url: Opt<String>,
}

impl TryFrom<McpServer> for akshi::McpServer {
    type Error = String;

    fn try_from(server: McpServer) -> Result<Self, String> {
        let transport = match (server.command.0, server.url.0) {
            (Some(command), None) => Transport::Stdio {
                command,
                environment: BTreeMap::new(),
            },
            (None, Some(url)) => Transport::Http(url),
            _ => {
                return Err(format!(
                    "the MCP server `{}` must have a command or a URL, and only one",
                    server.name
                ));
            }
        };
        Ok(Self {
            name: server.name,
            transport,
        })
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    name: String,
    url: String,
    key: Opt<String>,
    local: bool,
    cost: Opt<Long<u64>>,
}

impl From<Model> for akshi::Model {
    fn from(model: Model) -> Self {
        Self {
            name: model.name,
            url: model.url,
            key: model.key.0,
            local: model.local,
            cost: model.cost.0.map_or(0, |cost| cost.0),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigEntry {
    key: String,
    value: String,
    protected: Opt<bool>,
}

impl From<ConfigEntry> for akshi::ConfigEntry {
    fn from(entry: ConfigEntry) -> Self {
        Self {
            key: entry.key,
            value: entry.value,
            protected: entry.protected.0.unwrap_or(false),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Channel {
    name: String,
    url: String,
}

impl From<Channel> for akshi::Channel {
    fn from(channel: Channel) -> Self {
        Self {
            name: channel.name,
            url: channel.url,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Limits {
    memory_bytes: Opt<Long<u64>>,
    table_elements: Opt<Long<u64>>,
    tick_ms: Opt<Long<u64>>,
    db_ms: Opt<Long<u64>>,
    db_json_bytes: Opt<Long<u64>>,
    journal_payload_bytes: Opt<Long<u64>>,
    journal_page: Opt<Long<u64>>,
    http_ms: Opt<Long<u64>>,
    http_body_bytes: Opt<Long<u64>>,
    inference_ms: Opt<Long<u64>>,
    inference_retries: Opt<Long<u64>>,
    breaker_failures: Opt<Long<u64>>,
    breaker_ms: Opt<Long<u64>>,
    mcp_ms: Opt<Long<u64>>,
    message_bytes: Opt<Long<u64>>,
    mailbox_messages: Opt<Long<u64>>,
    sleep_ms: Opt<Long<u64>>,
    random_bytes: Opt<Long<u64>>,
    approval_ms: Opt<Long<u64>>,
    agents: Opt<Long<u64>>,
}

impl Limits {
    /// These limits, the host's own where they say nothing.
    pub(super) fn apply(&self) -> akshi::Limits {
        let mut limits = akshi::Limits::default();
        let set = |given: &Opt<Long<u64>>, limit: &mut dyn Bound| {
            if let Some(value) = &given.0 {
                limit.set(value.0);
            }
        };
        set(&self.memory_bytes, &mut limits.memory_bytes);
        set(&self.table_elements, &mut limits.table_elements);
        set(&self.tick_ms, &mut limits.tick);
        set(&self.db_ms, &mut limits.db_time);
        set(&self.db_json_bytes, &mut limits.db_json_bytes);
        set(
            &self.journal_payload_bytes,
            &mut limits.journal_payload_bytes,
        );
        set(&self.journal_page, &mut limits.journal_page);
        set(&self.http_ms, &mut limits.http_time);
        set(&self.http_body_bytes, &mut limits.http_body_bytes);
        set(&self.inference_ms, &mut limits.inference_time);
        set(&self.inference_retries, &mut limits.inference_retries);
        set(&self.breaker_failures, &mut limits.breaker_failures);
        set(&self.breaker_ms, &mut limits.breaker_time);
        set(&self.mcp_ms, &mut limits.mcp_time);
        set(&self.message_bytes, &mut limits.message_bytes);
        set(&self.mailbox_messages, &mut limits.mailbox_messages);
        set(&self.sleep_ms, &mut limits.sleep);
        set(&self.random_bytes, &mut limits.random_bytes);
        set(&self.approval_ms, &mut limits.approval);
        set(&self.agents, &mut limits.agents);
        limits
    }
}

/// A limit, of whatever type the host keeps it in.
trait Bound {
    fn set(&mut self, value: u64);
}

impl Bound for u64 {
    fn set(&mut self, value: u64) {
        *self = value;
    }
}

impl Bound for u32 {
    fn set(&mut self, value: u64) {
        *self = u32::try_from(value).unwrap_or(u32::MAX);
    }
}

impl Bound for usize {
    fn set(&mut self, value: u64) {
        *self = usize::try_from(value).unwrap_or(usize::MAX);
    }
}

impl Bound for Duration {
    fn set(&mut self, value: u64) {
        *self = Duration::from_millis(value);
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Plan {
    interval_ms: Long<u64>,
    ticks: u32,
    max_restarts: u32,
    backoff_ms: Long<u64>,
}

impl From<Plan> for akshi::Plan {
    fn from(plan: Plan) -> Self {
        Self {
            interval: Duration::from_millis(plan.interval_ms.0),
            ticks: plan.ticks,
            max_restarts: plan.max_restarts,
            backoff: Duration::from_millis(plan.backoff_ms.0),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Event {
    Log {
        instance: String,
        agent: String,
        seq: u64,
        level: &'static str,
        message: String,
    },
    Ticked {
        instance: String,
        outcome: Outcome,
    },
    Approval {
        instance: String,
        function: &'static str,
        target: String,
    },
    Ended {
        instance: String,
        outcome: Outcome,
    },
}

impl From<akshi::Event> for Event {
    fn from(event: akshi::Event) -> Self {
        match event {
            akshi::Event::Log(record) => Self::Log {
                instance: record.instance.to_string(),
                agent: record.agent,
                seq: record.seq,
                level: record.level.name(),
                message: record.message,
            },
            akshi::Event::Ticked { agent, outcome } => Self::Ticked {
                instance: agent.to_string(),
                outcome: outcome.into(),
            },
            akshi::Event::Approval {
                agent,
                function,
                target,
            } => Self::Approval {
                instance: agent.to_string(),
                function: function.name(),
                target,
            },
            akshi::Event::Ended { agent, outcome } => Self::Ended {
                instance: agent.to_string(),
                outcome: outcome.into(),
            },
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    Finished(()),
    Failed(String),
    Trapped(String),
    Terminated(String),
}

impl From<akshi::Outcome> for Outcome {
    fn from(outcome: akshi::Outcome) -> Self {
        match outcome {
            akshi::Outcome::Finished => Self::Finished(()),
            akshi::Outcome::Failed(text) => Self::Failed(text),
            akshi::Outcome::Trapped(text) => Self::Trapped(text),
            akshi::Outcome::Terminated(text) => Self::Terminated(text),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct AuditEntry {
    function: &'static str,
    target: String,
    allowed: bool,
    reason: String,
}

impl From<akshi::AuditEntry> for AuditEntry {
    fn from(entry: akshi::AuditEntry) -> Self {
        Self {
            function: entry.function.name(),
            target: entry.target,
            allowed: entry.allowed,
            reason: entry.reason,
        }
    }
}
