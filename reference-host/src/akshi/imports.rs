//! The imports of the world, for one agent. Each function that a capability guards goes through the gate; `log`, `sleep-ms`
//! and `random-bytes` are always there.

use std::sync::Arc;
use std::time::Duration;

use rand::TryRngCore as _;
use rand::rngs::OsRng;

use super::agent::Agent;
use super::bindings::akshi::runtime::host::Host;
use super::error::CallError;
use super::{Capability, Event, Function};
use crate::engine::MemoryLimiter;

/// The data of an agent's wasmtime store.
pub(super) struct State {
    pub(super) agent: Arc<Agent>,
    pub(super) limiter: MemoryLimiter,
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("State")
            .field(&self.agent.id)
            .finish()
    }
}

impl Host for State {
    async fn db_query(&mut self, sql: String) -> Result<String, String> {
        let agent = &self.agent;
        agent
            .guarded(Function::DbQuery, "", agent.database.query(&sql))
            .await
    }

    async fn db_execute(&mut self, sql: String) -> Result<u64, String> {
        let agent = &self.agent;
        agent
            .guarded(Function::DbExecute, "", agent.database.execute(&sql))
            .await
    }

    async fn journal_append(&mut self, payload: String) -> Result<(), String> {
        let agent = &self.agent;
        agent
            .guarded(Function::JournalAppend, "", agent.journal.append(&payload))
            .await
    }

    async fn journal_read(&mut self, since: u64) -> Result<String, String> {
        let agent = &self.agent;
        agent
            .guarded(Function::JournalRead, "", agent.journal.read(since))
            .await
    }

    async fn mcp_call_tool(
        &mut self,
        server: String,
        tool: String,
        args: String,
    ) -> Result<String, String> {
        let agent = &self.agent;
        let target = format!("{server}/{tool}");
        agent
            .guarded(
                Function::McpCallTool,
                &target,
                agent.mcp.call_tool(&server, &tool, &args),
            )
            .await
    }

    async fn mcp_list_tools(&mut self, server: String) -> Result<String, String> {
        let agent = &self.agent;
        agent
            .guarded(
                Function::McpListTools,
                &server,
                agent.mcp.list_tools(&server),
            )
            .await
    }

    async fn http_request(
        &mut self,
        method: String,
        url: String,
        headers: String,
        body: String,
    ) -> Result<String, String> {
        let agent = &self.agent;
        agent
            .guarded(
                Function::HttpRequest,
                &url,
                agent.http.request(&method, &url, &headers, &body),
            )
            .await
    }

    async fn inference_prompt(&mut self, prompt: String) -> Result<String, String> {
        let agent = &self.agent;
        agent
            .guarded(
                Function::InferencePrompt,
                "",
                agent.inference.prompt(None, &prompt),
            )
            .await
    }

    async fn inference_prompt_with_model(
        &mut self,
        model: String,
        prompt: String,
    ) -> Result<String, String> {
        let agent = &self.agent;
        agent
            .guarded(
                Function::InferencePromptWithModel,
                &model,
                agent.inference.prompt(Some(&model), &prompt),
            )
            .await
    }

    async fn config_get(&mut self, key: String) -> Result<String, String> {
        let agent = &self.agent;
        agent
            .guarded(Function::ConfigGet, &key, agent.values.get(&key))
            .await
    }

    async fn config_set(&mut self, key: String, value: String) -> Result<(), String> {
        let agent = &self.agent;
        agent
            .guarded(Function::ConfigSet, &key, agent.values.set(&key, &value))
            .await
    }

    async fn a2a_send(&mut self, target: String, payload: String) -> Result<String, String> {
        let agent = &self.agent;
        let send = async {
            if let Some(receiver) = agent.shared.loaded_as(&target)
                && !receiver.is_granted(Capability::A2a)
            {
                return Err(CallError::failed(format!(
                    "the agent {target:?} takes no messages"
                )));
            }
            agent.shared.mail.send(&agent.name, &target, &payload).await
        };
        agent.guarded(Function::A2aSend, &target, send).await
    }

    async fn a2a_receive(&mut self) -> Result<String, String> {
        let agent = &self.agent;
        let receive = agent.shared.mail.receive(&agent.name);
        agent.guarded(Function::A2aReceive, "", receive).await
    }

    async fn ws_send(&mut self, channel: String, message: String) -> Result<(), String> {
        let agent = &self.agent;
        agent
            .guarded(
                Function::WsSend,
                &channel,
                agent.channels.send(&channel, &message),
            )
            .await
    }

    async fn ws_receive(&mut self, channel: String) -> Result<String, String> {
        let agent = &self.agent;
        agent
            .guarded(
                Function::WsReceive,
                &channel,
                agent.channels.receive(&channel),
            )
            .await
    }

    async fn log(&mut self, level: String, message: String) -> Result<(), String> {
        let record = self
            .agent
            .logger
            .log(&level, message)
            .map_err(|error| error.to_string())?;
        if let Some(record) = record {
            self.agent.shared.tell(Event::Log(record));
        }
        Ok(())
    }

    /// Waits on the host's side: another agent computes meanwhile, and the run's compute time stands still.
    async fn sleep_ms(&mut self, millis: u64) -> Result<(), String> {
        let most = self.agent.limits.sleep;
        let duration = Duration::from_millis(millis);
        if duration > most {
            return Err(format!(
                "limit reached: {millis} ms of sleep, allowed are {}",
                most.as_millis()
            ));
        }
        tokio::time::sleep(duration).await;
        Ok(())
    }

    /// Bytes of the operating system's generator.
    async fn random_bytes(&mut self, len: u32) -> Result<Vec<u8>, String> {
        let most = self.agent.limits.random_bytes;
        if len > most {
            return Err(format!(
                "limit reached: {len} random bytes, allowed are {most}"
            ));
        }
        let mut bytes = vec![0; len as usize];
        OsRng
            .try_fill_bytes(&mut bytes)
            .map_err(|error| format!("no random bytes: {error}"))?;
        Ok(bytes)
    }
}
