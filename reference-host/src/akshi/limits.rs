//! Everything that is bounded, in one place, with what happens at the bound.

use std::time::Duration;

/// What one agent, and the runtime, may use. Every field is a hard bound. "`err`" means that the call answers `err` and
/// nothing is cut short or half done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Agents that may be loaded at once; one more is refused.
    pub agents: usize,
    /// Bytes of a component binary; larger ones are refused.
    pub component_bytes: usize,
    /// Bytes of linear memory of one agent, over all its memories. Growth beyond answers -1 in the guest.
    pub memory_bytes: u64,
    /// Elements of one agent's tables together. Growth beyond answers -1.
    pub table_elements: u32,
    /// How long one run may compute, all in all; waiting for the host does not count. The guest traps.
    pub tick: Duration,
    /// How long one SQL statement may take: `err`.
    pub db_time: Duration,
    /// Bytes of one SQL text: `err`.
    pub sql_bytes: usize,
    /// Bytes of one value in the database: `err`.
    pub db_value_bytes: usize,
    /// Bytes of the JSON of one `db-query`: `err`.
    pub db_json_bytes: usize,
    /// Bytes of one agent's database file: `err`.
    pub db_file_bytes: u64,
    /// Bytes of one journal payload: `err`.
    pub journal_payload_bytes: usize,
    /// Entries that one `journal-read` gives; the next call gives the next.
    pub journal_page: u32,
    /// Bytes of payloads that one `journal-read` gives, or one entry; the next call gives the next.
    pub journal_page_bytes: usize,
    /// Bytes of one agent's journal file: `err`.
    pub journal_file_bytes: u64,
    /// Bytes of a configuration key: `err`.
    pub config_key_bytes: usize,
    /// Bytes of a configuration value: `err`.
    pub config_value_bytes: usize,
    /// Keys that an agent may have set: `err`.
    pub config_keys: u32,
    /// From the connection to the last byte of a response: `err`.
    pub http_time: Duration,
    /// Bytes of one response body: `err`.
    pub http_body_bytes: usize,
    /// One attempt to ask a model: `err` after the last.
    pub inference_time: Duration,
    /// Further attempts after one that failed.
    pub inference_retries: u32,
    /// Failures in a row after which a model is not asked for [`Limits::breaker_time`].
    pub breaker_failures: u32,
    /// How long a model is not asked then.
    pub breaker_time: Duration,
    /// One MCP call, the start of the server included: `err`.
    pub mcp_time: Duration,
    /// Bytes of one answer of an MCP server: `err`.
    pub mcp_bytes: usize,
    /// Bytes of one message to another agent or on a channel: `err`.
    pub message_bytes: usize,
    /// Messages that wait in one mailbox: the sender's `err`.
    pub mailbox_messages: u32,
    /// Bytes of the messages that wait in one mailbox: the sender's `err`.
    pub mailbox_bytes: u64,
    /// Received messages that wait on one channel; the host does not read on until there is room.
    pub channel_messages: usize,
    /// One `sleep-ms`: `err` at once.
    pub sleep: Duration,
    /// Bytes of one `random-bytes`: `err`.
    pub random_bytes: u32,
    /// Bytes of one log message; a longer one is cut at a character and says so.
    pub log_message_bytes: usize,
    /// Records of one run; what comes after is counted, and one record tells how many.
    pub log_records: u32,
    /// Bytes of the messages of one run; what comes after is counted, and one record tells how many.
    pub log_bytes: usize,
    /// How long a call waits for its approval: `err`.
    pub approval: Duration,
    /// Entries of one agent's audit log; the oldest go.
    pub audit_entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            agents: 64,
            component_bytes: 64 << 20,
            memory_bytes: 64 << 20,
            table_elements: 65_536,
            tick: Duration::from_secs(10),
            db_time: Duration::from_secs(5),
            sql_bytes: 1 << 20,
            db_value_bytes: 16 << 20,
            db_json_bytes: 16 << 20,
            db_file_bytes: 256 << 20,
            journal_payload_bytes: 4 << 20,
            journal_page: 100,
            journal_page_bytes: 8 << 20,
            journal_file_bytes: 256 << 20,
            config_key_bytes: 256,
            config_value_bytes: 64 << 10,
            config_keys: 1_000,
            http_time: Duration::from_secs(30),
            http_body_bytes: 8 << 20,
            inference_time: Duration::from_secs(120),
            inference_retries: 2,
            breaker_failures: 3,
            breaker_time: Duration::from_secs(30),
            mcp_time: Duration::from_secs(30),
            mcp_bytes: 8 << 20,
            message_bytes: 1 << 20,
            mailbox_messages: 1_000,
            mailbox_bytes: 64 << 20,
            channel_messages: 1_000,
            sleep: Duration::from_secs(60),
            random_bytes: 1 << 20,
            log_message_bytes: 4 << 20,
            log_records: 10_000,
            log_bytes: 16 << 20,
            approval: Duration::from_secs(300),
            audit_entries: 10_000,
        }
    }
}
