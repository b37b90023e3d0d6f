//! Capabilities: what a manifest declares, what a host grants, and what both together allow.

use std::collections::BTreeSet;
use std::time::Duration;

use super::json::{JsonError, Value};
use super::url_pattern::UrlPattern;
use crate::outbound::url::UrlError;

/// Capabilities without a payload.
const PLAIN: [&str; 26] = [
    "plugin-storage",
    "scalar-fn",
    "aggregate-fn",
    "window-fn",
    "procedure",
    "procedure-writes",
    "procedure-schema",
    "procedure-dbms",
    "locy-aggregate",
    "locy-predicate",
    "operator",
    "index",
    "storage",
    "algorithm",
    "crdt",
    "hook",
    "trigger",
    "type",
    "auth",
    "authz",
    "collation",
    "cdc",
    "catalog",
    "plugin-declare",
    "connector",
    "background-job",
];

/// Capabilities whose payload is lists of strings, and the fields of those lists. All fields are optional; absent means
/// an empty list, which allows nothing.
const LISTS: [(&str, &[&str]); 5] = [
    ("filesystem", &["read", "write"]),
    ("kms", &["key_ids"]),
    ("secret", &["ids"]),
    ("config", &["keys"]),
    ("host-query", &["read_only", "scopes"]),
];

/// A quota that a manifest puts on its own plugin: `{"kind": "wall-clock-millis-per-call", "value": 200}`.
///
/// A quota only lowers what [`Limits`](super::Limits) allows, so it needs no grant and is never reported as denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Quota {
    /// `concurrent-instances`: live instances of the plugin, at least 1.
    ConcurrentInstances,
    /// `fuel-per-call`: wasmtime fuel of one export call, at least 1.
    FuelPerCall,
    /// `max-result-rows`: rows of one answer.
    MaxResultRows,
    /// `memory-bytes`: linear memory of one instance.
    MemoryBytes,
    /// `total-memory-bytes`: linear memory over all live instances of the plugin.
    TotalMemoryBytes,
    /// `wall-clock-millis-per-call`: milliseconds of one export call, at least 1. Also lowers outbound requests.
    WallClockMillisPerCall,
}

const QUOTAS: [(&str, Quota, u64); 6] = [
    ("concurrent-instances", Quota::ConcurrentInstances, 1),
    ("fuel-per-call", Quota::FuelPerCall, 1),
    ("max-result-rows", Quota::MaxResultRows, 0),
    ("memory-bytes", Quota::MemoryBytes, 0),
    ("total-memory-bytes", Quota::TotalMemoryBytes, 0),
    (
        "wall-clock-millis-per-call",
        Quota::WallClockMillisPerCall,
        1,
    ),
];

/// One declared capability.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// A capability that is only a name, or one whose payload has no effect in these worlds.
    Plain(&'static str),
    /// `network`: outbound HTTP to the URLs of an allow-list. A bare name is an empty list.
    Network(Vec<UrlPattern>),
    /// A quota and its value.
    Quota(Quota, u64),
}

impl Capability {
    /// The capability's name in manifests and grants.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plain(name) => name,
            Self::Network(_) => "network",
            Self::Quota(quota, _) => QUOTAS
                .iter()
                .find(|(_, q, _)| q == quota)
                .map_or("quota", |(name, ..)| *name),
        }
    }

    /// Reads one element of the manifest's `capabilities`: a bare name, or an object with `kind` and the payload.
    pub(super) fn read(value: &Value<'_>) -> Result<Self, JsonError> {
        if !value.is_object() {
            let name = value
                .string()
                .map_err(|_| value.error("neither a name nor an object", "a capability"))?;
            if QUOTAS.iter().any(|(n, ..)| *n == name) {
                return Err(value.error(
                    format!("quota `{name}` without a value"),
                    format!("{{\"kind\": \"{name}\", \"value\": N}}"),
                ));
            }
            return match name {
                "network" => Ok(Self::Network(Vec::new())),
                "lock" => {
                    Err(value.error("`lock` without a payload", "an object with `granularity`"))
                }
                _ => known(name)
                    .map(Self::Plain)
                    .ok_or_else(|| unknown(value, name)),
            };
        }
        let kind = value.tag("kind")?;
        if let Some((_, quota, min)) = QUOTAS.iter().find(|(n, ..)| *n == kind) {
            let object = value.object(&["kind", "value"])?;
            let n = object
                .required("value", "a number")?
                .integer(*min, u64::MAX)?;
            return Ok(Self::Quota(*quota, n));
        }
        match kind.as_str() {
            "network" => {
                let object = value.object(&["kind", "allow"])?;
                let Some(allow) = object.find("allow") else {
                    return Ok(Self::Network(Vec::new()));
                };
                let pattern = |v: &Value<'_>| {
                    UrlPattern::parse(v.string()?)
                        .map_err(|e| v.error(format!("not a URL pattern: {e}"), URL_PATTERN))
                };
                Ok(Self::Network(
                    allow
                        .array()?
                        .iter()
                        .map(pattern)
                        .collect::<Result<_, _>>()?,
                ))
            }
            "lock" => {
                let object = value.object(&["kind", "granularity"])?;
                let names = ["nodes", "edges", "both", "global"].map(|n| (n, ()));
                object.required("granularity", "a string")?.choice(&names)?;
                Ok(Self::Plain("lock"))
            }
            "background-job" => {
                let object = value.object(&["kind", "max_concurrent"])?;
                if let Some(n) = object.find("max_concurrent") {
                    n.integer(0, u64::from(u32::MAX))?;
                }
                Ok(Self::Plain("background-job"))
            }
            kind => {
                let name = known(kind).ok_or_else(|| unknown(value, kind))?;
                let lists = LISTS
                    .iter()
                    .find(|(n, _)| *n == name)
                    .map_or(&[][..], |(_, lists)| lists);
                let fields: Vec<_> = std::iter::once("kind")
                    .chain(lists.iter().copied())
                    .collect();
                let object = value.object(&fields)?;
                for field in lists {
                    match (object.find(field), *field) {
                        (Some(v), "read_only") => drop(v.bool()?),
                        (Some(v), _) => drop(v.strings()?),
                        (None, _) => {}
                    }
                }
                Ok(Self::Plain(name))
            }
        }
    }
}

const URL_PATTERN: &str =
    "`scheme://host[:port][path]`, with `*` for a host, a port or a run of path characters";

fn unknown(value: &Value<'_>, name: &str) -> JsonError {
    value.error(
        format!("unknown capability {}", super::json::quoted(name)),
        "a capability's name in kebab case, such as `network` or `scalar-fn`",
    )
}

fn known(name: &str) -> Option<&'static str> {
    let lists = LISTS.iter().map(|(n, _)| *n);
    let quotas = QUOTAS.iter().map(|(n, ..)| *n);
    PLAIN
        .into_iter()
        .chain(lists)
        .chain(quotas)
        .chain(["network", "lock"])
        .find(|n| *n == name)
}

/// What the host grants to one plugin. Nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    names: BTreeSet<&'static str>,
    /// The payload of `network`; `None` when it is not granted.
    pub network: Option<NetworkGrant>,
}

/// The grant of `network`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkGrant {
    /// URLs the host allows. A URL must match this list and the plugin's own.
    pub allow: Vec<UrlPattern>,
    /// Ceiling of one request; `None` is the host's default. Never raises the host's.
    pub timeout: Option<Duration>,
    /// Ceiling of one response body in bytes; `None` is the host's default. Never raises the host's.
    pub max_bytes: Option<u32>,
}

/// A grant that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// No capability has this name.
    #[error("no capability is called {0:?}")]
    Unknown(String),
    /// A text is no URL pattern.
    #[error("{pattern:?} is not a URL pattern: {source}")]
    Pattern {
        /// The text.
        pattern: String,
        /// What is wrong with it.
        source: UrlError,
    },
}

impl Grants {
    /// Grants capabilities by name. `network` by name alone is granted with an empty allow-list. Quotas are accepted and
    /// mean nothing here: [`Limits`](super::Limits) is the host's side of them.
    ///
    /// # Errors
    /// [`GrantError::Unknown`] for a name no capability has.
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Self, GrantError> {
        let mut this = Self::default();
        for name in names {
            let name = name.as_ref();
            let name = known(name).ok_or_else(|| GrantError::Unknown(name.to_owned()))?;
            if name == "network" {
                this.network = Some(NetworkGrant::default());
            }
            this.names.insert(name);
        }
        Ok(this)
    }

    /// The three function surfaces, with read-only procedures.
    pub fn surfaces() -> Self {
        Self {
            names: BTreeSet::from(["aggregate-fn", "procedure", "scalar-fn"]),
            network: None,
        }
    }

    /// Adds `network` with an allow-list and ceilings: `timeout_ms` and `max_bytes` of 0 are the host's defaults.
    ///
    /// # Errors
    /// [`GrantError::Pattern`] for a text that is no [`UrlPattern`].
    pub fn with_network<S: AsRef<str>>(
        mut self,
        allow: impl IntoIterator<Item = S>,
        timeout_ms: u64,
        max_bytes: u32,
    ) -> Result<Self, GrantError> {
        let read = |text: S| {
            UrlPattern::parse(text.as_ref()).map_err(|source| GrantError::Pattern {
                pattern: text.as_ref().to_owned(),
                source,
            })
        };
        self.network = Some(NetworkGrant {
            allow: allow.into_iter().map(read).collect::<Result<_, _>>()?,
            timeout: (timeout_ms != 0).then(|| Duration::from_millis(timeout_ms)),
            max_bytes: (max_bytes != 0).then_some(max_bytes),
        });
        self.names.insert("network");
        Ok(self)
    }

    /// Whether a capability of this name is granted.
    pub fn has(&self, name: &str) -> bool {
        match name {
            "network" => self.network.is_some(),
            _ => self.names.contains(name),
        }
    }

    /// The names of `declared` that are not granted, in the manifest's order.
    pub(super) fn denied(&self, declared: &[Capability]) -> Vec<String> {
        declared
            .iter()
            .filter(|c| !matches!(c, Capability::Quota(..)) && !self.has(c.name()))
            .map(|c| c.name().to_owned())
            .collect()
    }
}

/// What `host-net` allows one plugin: declared and granted.
#[derive(Clone, Debug, Default)]
pub(super) struct NetworkScope {
    pub(super) declared: Vec<UrlPattern>,
    pub(super) granted: Vec<UrlPattern>,
    pub(super) timeout: Duration,
    pub(super) max_bytes: u32,
}

impl NetworkScope {
    pub(super) fn allows(&self, url: &url::Url) -> bool {
        self.declared.iter().any(|p| p.matches(url)) && self.granted.iter().any(|p| p.matches(url))
    }
}
