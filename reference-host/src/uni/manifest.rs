//! The answer of `manifest`: a plugin's identity, its capabilities and its own limits.

use semver::{Version, VersionReq};

use super::capability::{Capability, Quota};
use super::json::{self, JsonError, Value};

/// ABI majors this host speaks; a manifest's `abi` requirement must match one of them. They count apart from the WIT
/// package's version.
pub const ABI_VERSIONS: [Version; 2] = [Version::new(1, 0, 0), Version::new(2, 0, 0)];

/// Bytes of the longest plugin id.
pub const ID_BYTES: usize = 255;

/// A plugin's manifest, validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The namespace of all names the plugin registers. Grammar: labels of ASCII letters, digits, `-` and `_`, each
    /// beginning with a letter or digit, joined by dots; at most [`ID_BYTES`] bytes. `builtin` is the host's own.
    pub id: String,
    /// The plugin's version.
    pub version: Version,
    /// The ABI major that was chosen: the first of [`ABI_VERSIONS`] that the requirement matches; 1 without one.
    pub abi: u64,
    /// What the plugin asks for, in its order.
    pub capabilities: Vec<Capability>,
    /// What the plugin says about its determinism. Volatility is declared per function; this is kept for display.
    pub determinism: Determinism,
    /// A description for people.
    pub description: Option<String>,
    /// Fuel of one export call, at least 1.
    pub fuel_per_call: Option<u64>,
    /// Pages of 64 KiB one instance may have.
    pub memory_max_pages: Option<u32>,
    /// Milliseconds of one export call, at least 1.
    pub timeout_ms: Option<u64>,
}

/// The manifest's `determinism`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Determinism {
    /// Same arguments, same result, always.
    Pure,
    /// Same arguments, same result within a session.
    SessionScoped,
    /// No promise; also what is assumed when the field is absent.
    #[default]
    Nondeterministic,
    /// A word the contract does not define; read as no promise.
    Other(String),
}

impl Manifest {
    /// Reads and checks the JSON text of `manifest`.
    ///
    /// # Errors
    /// The first mistake, with its place and what was expected.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        let node = json::parse(text)?;
        let root = Value::root(&node);
        let object = root.object(&[
            "id",
            "version",
            "abi",
            "capabilities",
            "determinism",
            "description",
            "fuel_per_call",
            "memory_max_pages",
            "timeout_ms",
        ])?;
        let id = object.required("id", "a string")?;
        check_id(&id)?;
        let version = object.required("version", "a string")?;
        let parsed_version = Version::parse(version.string()?).map_err(|e| {
            version.error(
                format!("{} ({e})", json::quoted(version.string().unwrap_or(""))),
                "a semantic version such as \"1.0.0\"",
            )
        })?;
        let integer = |name: &str, min: u64, max: u64| {
            object
                .optional(name)
                .map(|v| v.integer(min, max))
                .transpose()
        };
        let text = |name: &str| {
            object
                .optional(name)
                .map(|v| v.string().map(str::to_owned))
                .transpose()
        };
        Ok(Self {
            id: id.string()?.to_owned(),
            version: parsed_version,
            abi: object.optional("abi").map_or(Ok(1), |v| abi(&v))?,
            capabilities: capabilities(object.find("capabilities"))?,
            determinism: match text("determinism")?.as_deref() {
                None | Some("nondeterministic") => Determinism::Nondeterministic,
                Some("pure") => Determinism::Pure,
                Some("session-scoped" | "session_scoped") => Determinism::SessionScoped,
                Some(other) => Determinism::Other(other.to_owned()),
            },
            description: text("description")?,
            fuel_per_call: integer("fuel_per_call", 1, u64::MAX)?,
            memory_max_pages: integer("memory_max_pages", 0, u64::from(u32::MAX))?
                .map(|pages| u32::try_from(pages).unwrap_or(u32::MAX)),
            timeout_ms: integer("timeout_ms", 1, u64::MAX)?,
        })
    }

    /// The value of a declared quota.
    pub(super) fn quota(&self, quota: Quota) -> Option<u64> {
        self.capabilities.iter().find_map(|c| match c {
            Capability::Quota(q, value) if *q == quota => Some(*value),
            _ => None,
        })
    }
}

fn check_id(value: &Value<'_>) -> Result<(), JsonError> {
    let id = value.string()?;
    let label = |label: &str| {
        label.starts_with(|c: char| c.is_ascii_alphanumeric())
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    if id == "builtin" {
        return Err(value.error("`builtin` belongs to the host", "an id of the plugin's own"));
    }
    if id.len() > ID_BYTES || !id.split('.').all(label) {
        return Err(value.error(
            format!("plugin id {}", json::quoted(id)),
            format!(
                "1 to {ID_BYTES} characters: labels of letters, digits, `-` and `_`, joined by dots"
            ),
        ));
    }
    Ok(())
}

fn abi(value: &Value<'_>) -> Result<u64, JsonError> {
    let text = value.string()?;
    let requirement = VersionReq::parse(text).map_err(|e| {
        value.error(
            format!("{} ({e})", json::quoted(text)),
            "a version requirement such as \"^1\"",
        )
    })?;
    ABI_VERSIONS
        .iter()
        .find(|v| requirement.matches(v))
        .map(|v| v.major)
        .ok_or_else(|| {
            let [one, two] = &ABI_VERSIONS;
            value.error(
                format!(
                    "requirement {} matches no supported ABI",
                    json::quoted(text)
                ),
                format!("one that matches {one} or {two}"),
            )
        })
}

fn capabilities(value: Option<Value<'_>>) -> Result<Vec<Capability>, JsonError> {
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    let mut read: Vec<Capability> = Vec::new();
    for item in value.array()? {
        let capability = Capability::read(&item)?;
        if read.iter().any(|c| c.name() == capability.name()) {
            return Err(item.error(
                format!("capability `{}` for the second time", capability.name()),
                "each capability at most once",
            ));
        }
        read.push(capability);
    }
    Ok(read)
}
