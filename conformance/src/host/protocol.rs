//! The messages of the adapter protocol (`docs/adapter-protocol.md`); the in-process host speaks them too, without the
//! pipe.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The version this suite speaks.
pub const VERSION: u32 = 1;

/// What the suite sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Request {
    /// First line.
    Hello {
        /// [`VERSION`]
        protocol: u32,
    },
    /// Begins a case.
    Begin(Setup),
    /// Calls a driver function.
    Call {
        /// Unique within the case.
        id: u64,
        /// Its WIT name.
        function: String,
        /// One value per parameter.
        arguments: Vec<Json>,
    },
    /// Ends the case.
    End,
    /// Ends the adapter.
    Bye,
}

/// What a host needs to begin a case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// The case's id, for the host's own log.
    pub case: String,
    /// The contract's name.
    pub contract: String,
    /// Guests by name.
    pub guests: BTreeMap<String, Component>,
    /// A value of the driver's record `environment`.
    pub environment: Json,
}

/// A guest as it travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Component {
    /// World it is made for.
    pub world: String,
    /// Its bytes; base64 on the wire.
    #[serde(with = "base64_bytes")]
    pub component: Vec<u8>,
}

/// What a host sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Message {
    /// Answer to `hello`.
    Hello(Hello),
    /// The case may begin.
    Ready,
    /// It can't.
    Unready {
        /// Why.
        message: String,
    },
    /// The answer to a call.
    Return {
        /// The call's.
        id: u64,
        /// The function's result; null when it has none.
        #[serde(default)]
        value: Json,
    },
    /// A call that could not be carried out at all.
    Fault {
        /// The call's.
        id: u64,
        /// Why.
        message: String,
    },
    /// Something happened.
    Event {
        /// A value of the driver's variant `event`.
        event: Json,
    },
    /// All of the case is ended.
    Done,
}

/// What a host says of itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Hello {
    /// Protocol version it speaks.
    pub protocol: u32,
    /// The host's name.
    pub name: String,
    /// The host's version.
    pub version: String,
    /// What it drives, by contract name.
    pub contracts: BTreeMap<String, Declared>,
}

/// What a host declares for one contract.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Declared {
    /// Capabilities of the driver interface.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Profiles of the contract that the host follows.
    #[serde(default)]
    pub profiles: Vec<String>,
}

impl Declared {
    /// The same declaration of a host that follows these profiles.
    #[must_use]
    pub fn following(mut self, profiles: &[&str]) -> Self {
        self.profiles = profiles.iter().map(|&name| name.to_owned()).collect();
        self
    }
}

mod base64_bytes {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}
