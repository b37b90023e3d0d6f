//! Every ceiling this host enforces, in one place. Each one is a clean error, never a crash, when a plugin runs into it.

use std::time::Duration;

/// Size of a WebAssembly page in bytes.
pub const PAGE_BYTES: u64 = 65_536;

/// Ceilings of one plugin instance. [`Limits::yoi`] is the profile `yoi`: the figures of the host that the contract comes
/// from, where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a component.
    pub component_bytes: usize,
    /// Bytes of linear memory, summed over all memories. An initial memory beyond it fails the registration.
    pub memory_bytes: u64,
    /// Elements of all tables together. Initial tables beyond it fail the registration.
    pub table_elements: u32,
    /// Whether `memory.grow` and `table.grow` beyond these limits trap, rather than answer -1.
    pub growth_traps: bool,
    /// Time one export call may compute without waiting for the host.
    pub compute_time: Duration,
    /// Wall clock of one export call, host calls included, and of an instantiation.
    pub call_time: Duration,
    /// Bytes of a tool's input.
    pub input_bytes: usize,
    /// Bytes of what any export returns.
    pub output_bytes: usize,
    /// Bytes of a ToolOutput's `summary`.
    pub summary_bytes: usize,
    /// Bytes of a ToolOutput's `content`.
    pub content_bytes: usize,
    /// Bytes of a serialised ingress event.
    pub event_bytes: usize,
    /// Ingress events that may wait for an instance; the one that is being dispatched does not count.
    pub queue_capacity: usize,
    /// Output commands of one ServiceOutput.
    pub commands: usize,
    /// Bytes of each id of an output command, at least 1.
    pub command_id_bytes: usize,
    /// Bytes of an output command's serialised payload.
    pub command_payload_bytes: usize,
    /// Results of output commands that are kept; the oldest go first. Diagnostics are bounded alike.
    pub command_results: usize,
    /// Bytes of an error text or message that leaves the host, cut at a character boundary.
    pub message_bytes: usize,
    /// Of the import `request`.
    pub request: RequestLimits,
    /// Of the import `websocket`.
    pub websocket: WebSocketLimits,
    /// Of WebSockets that the host owns for a plugin's ingresses.
    pub service: ServiceLimits,
    /// Of the import `fs`.
    pub fs: FsLimits,
}

/// Ceilings of `yoi:host/request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Bytes of `request-json`.
    pub descriptor_bytes: usize,
    /// Headers of a request, and of a response as the plugin sees it.
    pub headers: usize,
    /// Bytes of a header's name, at least 1.
    pub header_name_bytes: usize,
    /// Bytes of a header's value; a longer one of a response is cut.
    pub header_value_bytes: usize,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Bytes of a response's body; a longer one is cut and marked as truncated.
    pub response_bytes: usize,
    /// From the name look-up to the last byte of the body.
    pub time: Duration,
}

/// Ceilings of `yoi:host/websocket`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketLimits {
    /// Bytes of `open`'s `request-json`.
    pub descriptor_bytes: usize,
    /// Handles that may be open at once. A handle whose peer has closed counts until `close`.
    pub open: usize,
    /// From the name look-up to the end of the handshake.
    pub dial_time: Duration,
    /// Bytes of a text that is sent.
    pub text_bytes: usize,
    /// Time a text may take to be handed to the network.
    pub send_time: Duration,
    /// Bytes of a frame that is received.
    pub frame_bytes: usize,
    /// Bytes of a message that is received, over all its frames.
    pub message_bytes: usize,
    /// Control frames that one `recv` passes over.
    pub control_frames: usize,
    /// Time `recv` waits when it is asked for 0 ms.
    pub recv_default: Duration,
    /// Time `recv` waits at most.
    pub recv_most: Duration,
    /// Age at which a handle is closed, whatever it does.
    pub lifetime: Duration,
    /// Bytes of the URL's path that `open` answers with.
    pub path_bytes: usize,
}

/// Ceilings of host-owned WebSockets, and when they are dialled again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceLimits {
    /// Connections of one plugin.
    pub connections: usize,
    /// Pause before the second dial after a connection ended; each failed dial doubles it.
    pub redial_first: Duration,
    /// The longest such pause.
    pub redial_most: Duration,
    /// Dials without success in a row after which the host gives up; 0 dials once and never again.
    pub redials: u32,
}

/// Ceilings of `yoi:host/fs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FsLimits {
    /// Bytes of `request-json`.
    pub descriptor_bytes: usize,
    /// Bytes of a path, at least 1.
    pub path_bytes: usize,
    /// Bytes of a path as an answer repeats it.
    pub echo_bytes: usize,
    /// Bytes that `read` gives; a longer file is cut and marked as truncated.
    pub read_bytes: usize,
    /// Entries that `list` gives, the first by name; more are marked as truncated.
    pub entries: usize,
    /// Bytes that `write` takes.
    pub write_bytes: usize,
}

impl Limits {
    /// The profile `yoi`.
    pub const fn yoi() -> Self {
        Self {
            component_bytes: 8 << 20,
            memory_bytes: 32 * PAGE_BYTES,
            table_elements: 256,
            growth_traps: true,
            compute_time: Duration::from_secs(2),
            call_time: Duration::from_secs(60),
            input_bytes: 65_536,
            output_bytes: 65_536,
            summary_bytes: 1024,
            content_bytes: 65_536,
            event_bytes: 65_536,
            queue_capacity: 32,
            commands: 16,
            command_id_bytes: 128,
            command_payload_bytes: 16_384,
            command_results: 32,
            message_bytes: 512,
            request: RequestLimits {
                descriptor_bytes: 49_152,
                headers: 16,
                header_name_bytes: 64,
                header_value_bytes: 1024,
                body_bytes: 32_768,
                response_bytes: 65_536,
                time: Duration::from_secs(5),
            },
            websocket: WebSocketLimits {
                descriptor_bytes: 8192,
                open: 4,
                dial_time: Duration::from_secs(5),
                text_bytes: 32_768,
                send_time: Duration::from_secs(5),
                frame_bytes: 32_768,
                message_bytes: 65_536,
                control_frames: 16,
                recv_default: Duration::from_secs(5),
                recv_most: Duration::from_secs(30),
                lifetime: Duration::from_secs(15 * 60),
                path_bytes: 120,
            },
            service: ServiceLimits {
                connections: 4,
                redial_first: Duration::from_millis(500),
                redial_most: Duration::from_secs(30),
                redials: 10,
            },
            fs: FsLimits {
                descriptor_bytes: 65_536,
                path_bytes: 4096,
                echo_bytes: 160,
                read_bytes: 65_536,
                entries: 256,
                write_bytes: 65_536,
            },
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::yoi()
    }
}
