//! The messages of the adapter protocol, version 1.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::wire::Bytes;

pub(crate) const VERSION: u32 = 1;

/// What the suite sends.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Request {
    Hello {
        protocol: u32,
    },
    Begin(Setup),
    Call {
        id: u64,
        function: String,
        arguments: Vec<Json>,
    },
    End,
    Bye,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Setup {
    pub(crate) case: String,
    pub(crate) contract: String,
    pub(crate) guests: BTreeMap<String, Component>,
    pub(crate) environment: Json,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Component {
    pub(crate) component: Bytes,
}

/// What this adapter sends.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Message {
    Hello {
        protocol: u32,
        name: &'static str,
        version: &'static str,
        contracts: BTreeMap<&'static str, Declared>,
    },
    Ready,
    Unready {
        message: String,
    },
    Return {
        id: u64,
        value: Json,
    },
    Fault {
        id: u64,
        message: String,
    },
    Event {
        event: Json,
    },
    Done,
}

#[derive(Debug, Serialize)]
pub(crate) struct Declared {
    pub(crate) capabilities: &'static [&'static str],
}

impl Message {
    /// What this adapter says of the host. `trace` is the host's cargo feature `otel`; `unload` is
    /// `PluginRegistry::remove_plugin`. The host's limits are constants of its crate, so `limits` is not declared.
    pub(crate) fn hello() -> Self {
        let capabilities = &["merge-column", "network", "plans", "trace", "unload"];
        Self::Hello {
            protocol: VERSION,
            name: "uni-plugin-wasm",
            version: "2.5.0",
            contracts: BTreeMap::from([("uni", Declared { capabilities })]),
        }
    }
}
