//! What a plugin package says of itself beside its component, and what its user grants to it.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use super::target::{RequestTarget, WebSocketTarget};

/// Bytes of an id, a version or a name.
const NAME_BYTES: usize = 256;

/// A plugin's manifest: what it is and what it asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Its id; one plugin of an id can be registered at a time.
    pub id: String,
    /// Its version, any text.
    pub version: String,
    /// The ways it wants to be called in.
    pub surfaces: BTreeSet<Surface>,
    /// Its tools.
    pub tools: Vec<Tool>,
    /// Its ingresses.
    pub ingresses: Vec<Ingress>,
    /// What it asks for.
    pub permissions: BTreeSet<Permission>,
    /// Where it wants `request` to go.
    pub request_targets: Vec<RequestTarget>,
    /// Where it wants `websocket`, and the host on its behalf, to go.
    pub websocket_targets: Vec<WebSocketTarget>,
}

/// A tool of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Whether it writes outside of the host; it then needs [`Permission::ExternalWrite`].
    pub external_write: bool,
}

/// An ingress of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// Its name.
    pub name: String,
    /// Where its events come from. `websocket:URL`, or a bare `ws` or `wss` URL, is a WebSocket that the host dials and
    /// owns; other sources are names for whoever dispatches events.
    pub sources: Vec<String>,
    /// Kinds of events it takes; empty is all.
    pub event_kinds: Vec<String>,
}

/// A way in which a plugin is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Surface {
    /// Tool calls.
    Tool,
    /// Connections that the host owns for the plugin.
    Service,
    /// Ingress events.
    Ingress,
}

/// An interface of the package `yoi:host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostApi {
    /// `yoi:host/request`
    Request,
    /// `yoi:host/websocket`
    WebSocket,
    /// `yoi:host/fs`
    Fs,
}

/// What a plugin asks for and a user grants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Calls of the tool of this name.
    Tool(String),
    /// Calls of every tool whose name starts with this text. An empty text permits nothing.
    ToolNamespace(String),
    /// Events for the ingress of this name.
    Ingress(String),
    /// An import.
    HostApi(HostApi),
    /// Calls of tools that write outside of the host.
    ExternalWrite,
}

/// What a user grants to one plugin. The first three bind it to exactly that plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// The id it is for.
    pub id: String,
    /// The version it is for.
    pub version: String,
    /// The component it is for: `sha256:` and 64 lower-case hexadecimal digits, as [`digest`](super::digest) makes them.
    pub digest: String,
    /// Ways in which the plugin may be called.
    pub surfaces: BTreeSet<Surface>,
    /// What it may do, of what it asks for.
    pub permissions: BTreeSet<Permission>,
    /// Where `request` may go.
    pub request_targets: Vec<RequestTarget>,
    /// Where `websocket`, and the host on behalf of an ingress, may go.
    pub websocket_targets: Vec<WebSocketTarget>,
    /// Where `fs` may go; tried in this order.
    pub fs: Vec<FsRoot>,
}

/// A directory that a plugin may work in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FsRoot {
    /// Absolute path of an existing directory that is no symbolic link.
    pub path: PathBuf,
    /// What the plugin may do there. None implies another.
    pub operations: BTreeSet<FsOperation>,
}

/// What a plugin may do with files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FsOperation {
    /// Read a file.
    Read,
    /// List a directory.
    List,
    /// Create or overwrite a file.
    Write,
}

/// Why a manifest is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// A name is empty, too long, or holds control characters.
    #[error("{what} must be 1 to 256 bytes without control characters")]
    Name {
        /// Which one.
        what: String,
    },
    /// Two of a kind have one name.
    #[error("two {what} are named `{name}`")]
    Twice {
        /// `tools`, `ingresses`.
        what: &'static str,
        /// The name.
        name: String,
    },
}

impl Manifest {
    /// The tool of this name.
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.name == name)
    }

    /// The ingress of this name.
    pub fn ingress(&self, name: &str) -> Option<&Ingress> {
        self.ingresses.iter().find(|ingress| ingress.name == name)
    }

    /// Asks for all that the declared tools, ingresses and targets need: every surface, every tool and ingress, every host
    /// API, and external writes where a tool declares them.
    #[must_use]
    pub fn asking_for_all(mut self) -> Self {
        self.surfaces = [Surface::Tool, Surface::Service, Surface::Ingress].into();
        let tools = self
            .tools
            .iter()
            .map(|tool| Permission::Tool(tool.name.clone()));
        let ingresses = self
            .ingresses
            .iter()
            .map(|ingress| Permission::Ingress(ingress.name.clone()));
        let apis = [HostApi::Request, HostApi::WebSocket, HostApi::Fs].map(Permission::HostApi);
        let writes = self
            .tools
            .iter()
            .any(|tool| tool.external_write)
            .then_some(Permission::ExternalWrite);
        self.permissions = tools.chain(ingresses).chain(apis).chain(writes).collect();
        self
    }

    /// # Errors
    /// The first mistake.
    pub(super) fn check(&self) -> Result<(), ManifestError> {
        name("the id", &self.id)?;
        name("the version", &self.version)?;
        let tools = self.tools.iter().map(|tool| &tool.name);
        all("tools", tools)?;
        let ingresses = self.ingresses.iter().map(|ingress| &ingress.name);
        all("ingresses", ingresses)
    }
}

impl Grants {
    /// Everything that a manifest asks for, for the component of this digest. No files: only the user knows where.
    pub fn all_of(manifest: &Manifest, digest: &str) -> Self {
        Self {
            id: manifest.id.clone(),
            version: manifest.version.clone(),
            digest: digest.to_owned(),
            surfaces: manifest.surfaces.clone(),
            permissions: manifest.permissions.clone(),
            request_targets: manifest.request_targets.clone(),
            websocket_targets: manifest.websocket_targets.clone(),
            fs: Vec::new(),
        }
    }
}

fn all<'a>(
    what: &'static str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), ManifestError> {
    let mut seen = BTreeSet::new();
    for one in names {
        name(&format!("the name of each of the {what}"), one)?;
        if !seen.insert(one) {
            return Err(ManifestError::Twice {
                what,
                name: one.clone(),
            });
        }
    }
    Ok(())
}

fn name(what: &str, text: &str) -> Result<(), ManifestError> {
    let fits =
        !text.trim().is_empty() && text.len() <= NAME_BYTES && !text.chars().any(char::is_control);
    if fits {
        return Ok(());
    }
    Err(ManifestError::Name {
        what: what.to_owned(),
    })
}

impl fmt::Display for Surface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tool => "surfaces.tool",
            Self::Service => "surfaces.service",
            Self::Ingress => "surfaces.ingress",
        })
    }
}

impl fmt::Display for HostApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "host_api.request",
            Self::WebSocket => "host_api.websocket",
            Self::Fs => "host_api.fs",
        })
    }
}

impl fmt::Display for FsOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Write => "write",
        })
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool(name) => write!(f, "tool.{name}"),
            Self::ToolNamespace(prefix) => write!(f, "tool_namespace.{prefix}"),
            Self::Ingress(name) => write!(f, "ingress.{name}"),
            Self::HostApi(api) => api.fmt(f),
            Self::ExternalWrite => f.write_str("external_write"),
        }
    }
}
