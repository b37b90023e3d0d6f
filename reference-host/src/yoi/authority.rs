//! What a registered plugin may do: asked for by its manifest and granted by its user, both, always.

use std::collections::BTreeSet;

use url::Url;

use super::manifest::{Grants, HostApi, Ingress, Manifest, Permission, Surface, Tool};
use super::target::{Reach, best};

/// A manifest with the grants for it.
#[derive(Clone, Debug)]
pub(super) struct Authority {
    pub(super) manifest: Manifest,
    pub(super) grants: Grants,
}

/// Why something is not permitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denial {
    /// The grants are for another plugin.
    #[error("the grants are bound to another {part} of the plugin")]
    Binding {
        /// `id`, `version`, `digest`.
        part: &'static str,
    },
    /// The manifest does not name it.
    #[error("the manifest declares no {what} `{name}`")]
    Undeclared {
        /// `tool`, `ingress`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The manifest does not ask for it.
    #[error("the manifest does not ask for `{0}`")]
    NotRequested(String),
    /// The user does not grant it.
    #[error("`{0}` is not granted")]
    NotGranted(String),
    /// No target of the manifest fits.
    #[error("{0} fits no target of the manifest")]
    NoManifestTarget(String),
    /// No target of the grants fits.
    #[error("{0} fits no granted target")]
    NoGrantedTarget(String),
}

impl Authority {
    /// Checks that the grants are for this plugin with a component of this digest.
    pub(super) fn check_binding(&self, digest: &str) -> Result<(), Denial> {
        let (manifest, grants) = (&self.manifest, &self.grants);
        for (part, bound, actual) in [
            ("id", grants.id.as_str(), manifest.id.as_str()),
            ("version", &grants.version, &manifest.version),
            ("digest", &grants.digest, digest),
        ] {
            if bound != actual {
                return Err(Denial::Binding { part });
            }
        }
        Ok(())
    }

    /// The tool of this name, if it may be called.
    pub(super) fn tool(&self, name: &str) -> Result<&Tool, Denial> {
        self.surface(Surface::Tool)?;
        let tool = self.manifest.tool(name).ok_or_else(|| Denial::Undeclared {
            what: "tool",
            name: name.to_owned(),
        })?;
        let permits = |permissions: &BTreeSet<Permission>| {
            permissions.iter().any(|permission| match permission {
                Permission::Tool(permitted) => permitted == name,
                Permission::ToolNamespace(prefix) => {
                    !prefix.is_empty() && name.starts_with(prefix.as_str())
                }
                _ => false,
            })
        };
        self.both(&Permission::Tool(name.to_owned()), permits)?;
        if tool.external_write {
            self.permission(&Permission::ExternalWrite)?;
        }
        Ok(tool)
    }

    /// The ingress of this name, if it may get events.
    pub(super) fn ingress(&self, name: &str) -> Result<&Ingress, Denial> {
        self.surface(Surface::Ingress)?;
        let ingress = self
            .manifest
            .ingress(name)
            .ok_or_else(|| Denial::Undeclared {
                what: "ingress",
                name: name.to_owned(),
            })?;
        self.permission(&Permission::Ingress(name.to_owned()))?;
        Ok(ingress)
    }

    /// Whether an import may be used at all: permitted, and with somewhere to go.
    pub(super) fn host_api(&self, api: HostApi) -> Result<(), Denial> {
        self.permission(&Permission::HostApi(api))?;
        let (declared, granted) = match api {
            HostApi::Request => (
                !self.manifest.request_targets.is_empty(),
                !self.grants.request_targets.is_empty(),
            ),
            HostApi::WebSocket => (
                !self.manifest.websocket_targets.is_empty(),
                !self.grants.websocket_targets.is_empty(),
            ),
            HostApi::Fs => {
                let usable =
                    |root: &super::FsRoot| root.path.is_absolute() && !root.operations.is_empty();
                (true, self.grants.fs.iter().any(usable))
            }
        };
        let what = || format!("{api} anywhere");
        match (declared, granted) {
            (false, _) => Err(Denial::NotRequested(what())),
            (_, false) => Err(Denial::NotGranted(what())),
            _ => Ok(()),
        }
    }

    /// Whether `request` may go to this URL by this method.
    pub(super) fn request(&self, url: &Url, method: &str) -> Result<Reach, Denial> {
        let of = |targets: &[super::RequestTarget]| {
            best(targets.iter().map(|target| target.reach(url, method)))
        };
        least(
            of(&self.manifest.request_targets),
            of(&self.grants.request_targets),
            || format!("{method} {}", shown(url)),
        )
    }

    /// Whether a WebSocket may be opened to this URL.
    pub(super) fn websocket(&self, url: &Url) -> Result<Reach, Denial> {
        let of = |targets: &[super::WebSocketTarget]| {
            best(targets.iter().map(|target| target.place.reach(url)))
        };
        least(
            of(&self.manifest.websocket_targets),
            of(&self.grants.websocket_targets),
            || shown(url),
        )
    }

    /// Whether the plugin may be called in this way.
    pub(super) fn surface(&self, surface: Surface) -> Result<(), Denial> {
        if !self.manifest.surfaces.contains(&surface) {
            return Err(Denial::NotRequested(surface.to_string()));
        }
        if !self.grants.surfaces.contains(&surface) {
            return Err(Denial::NotGranted(surface.to_string()));
        }
        Ok(())
    }

    fn permission(&self, permission: &Permission) -> Result<(), Denial> {
        self.both(permission, |permissions| permissions.contains(permission))
    }

    fn both(
        &self,
        permission: &Permission,
        permits: impl Fn(&BTreeSet<Permission>) -> bool,
    ) -> Result<(), Denial> {
        if !permits(&self.manifest.permissions) {
            return Err(Denial::NotRequested(permission.to_string()));
        }
        if !permits(&self.grants.permissions) {
            return Err(Denial::NotGranted(permission.to_string()));
        }
        Ok(())
    }
}

/// Both must reach it, and the lesser counts.
fn least(
    manifest: Option<Reach>,
    granted: Option<Reach>,
    what: impl Fn() -> String,
) -> Result<Reach, Denial> {
    let manifest = manifest.ok_or_else(|| Denial::NoManifestTarget(what()))?;
    let granted = granted.ok_or_else(|| Denial::NoGrantedTarget(what()))?;
    Ok(manifest.min(granted))
}

/// A URL without what may be secret: user, query, fragment.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // These fail for URLs without a host, which have no user either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yoi::target::{Place, RequestTarget, WebSocketTarget};

    fn manifest() -> Manifest {
        let tool = |name: &str, external_write| Tool {
            name: name.into(),
            external_write,
        };
        Manifest {
            id: "a".into(),
            version: "1".into(),
            tools: vec![tool("net.get", false), tool("net.put", true)],
            ingresses: vec![Ingress {
                name: "feed".into(),
                sources: vec![],
                event_kinds: vec![],
            }],
            ..Manifest::default()
        }
        .asking_for_all()
    }

    fn authority(change: impl FnOnce(&mut Manifest, &mut Grants)) -> Authority {
        let mut manifest = manifest();
        let mut grants = Grants::all_of(&manifest, "sha256:0");
        change(&mut manifest, &mut grants);
        Authority { manifest, grants }
    }

    #[test]
    fn grants_are_bound_to_one_plugin() {
        assert_eq!(authority(|_, _| ()).check_binding("sha256:0"), Ok(()));
        assert_eq!(
            authority(|_, _| ()).check_binding("sha256:1"),
            Err(Denial::Binding { part: "digest" })
        );
        assert_eq!(
            authority(|m, _| m.id = "b".into()).check_binding("sha256:0"),
            Err(Denial::Binding { part: "id" })
        );
        assert_eq!(
            authority(|_, g| g.version.clear()).check_binding("sha256:0"),
            Err(Denial::Binding { part: "version" })
        );
    }

    #[test]
    fn tools_need_surface_declaration_and_permission_on_both_sides() {
        assert!(authority(|_, _| ()).tool("net.put").is_ok());
        assert!(
            authority(|_, g| g.permissions = [
                Permission::ToolNamespace("net.".into()),
                Permission::ExternalWrite
            ]
            .into())
            .tool("net.put")
            .is_ok()
        );
        let changes: [fn(&mut Manifest, &mut Grants); 8] = [
            |m, _| {
                m.surfaces.remove(&Surface::Tool);
            },
            |_, g| {
                g.surfaces.remove(&Surface::Tool);
            },
            |m, _| m.tools.clear(),
            |m, _| {
                m.permissions.remove(&Permission::Tool("net.put".into()));
            },
            |_, g| {
                g.permissions.remove(&Permission::Tool("net.put".into()));
            },
            |m, _| {
                m.permissions.remove(&Permission::ExternalWrite);
            },
            |_, g| {
                g.permissions.remove(&Permission::ExternalWrite);
            },
            |_, g| {
                g.permissions = [
                    Permission::ToolNamespace(String::new()),
                    Permission::ExternalWrite,
                ]
                .into()
            },
        ];
        for change in changes {
            assert!(authority(change).tool("net.put").is_err());
        }
        assert!(
            authority(|_, g| {
                g.permissions.remove(&Permission::ExternalWrite);
            })
            .tool("net.get")
            .is_ok()
        );
    }

    #[test]
    fn ingresses_need_the_same() {
        assert!(authority(|_, _| ()).ingress("feed").is_ok());
        assert!(authority(|_, _| ()).ingress("other").is_err());
        assert!(
            authority(|_, g| {
                g.surfaces.remove(&Surface::Ingress);
            })
            .ingress("feed")
            .is_err()
        );
        assert!(
            authority(|_, g| {
                g.permissions.remove(&Permission::Ingress("feed".into()));
            })
            .ingress("feed")
            .is_err()
        );
    }

    #[test]
    fn imports_need_somewhere_to_go_on_both_sides() {
        let place = |host: &str| Place {
            scheme: "*".into(),
            host: host.into(),
            port: None,
            path_prefixes: vec![],
        };
        let web = |host: &str| vec![WebSocketTarget { place: place(host) }];
        let both =
            authority(|m, g| (m.websocket_targets, g.websocket_targets) = (web("a"), web("*")));
        let url = |text: &str| Url::parse(text).expect("a URL");
        assert_eq!(both.host_api(HostApi::WebSocket), Ok(()));
        assert_eq!(both.websocket(&url("ws://a/")), Ok(Reach::Public));
        assert!(matches!(
            both.websocket(&url("ws://b/")),
            Err(Denial::NoManifestTarget(_))
        ));
        assert!(matches!(
            both.host_api(HostApi::Request),
            Err(Denial::NotRequested(_))
        ));
        let declared = authority(|m, _| {
            m.request_targets = vec![RequestTarget {
                place: place("a"),
                methods: vec![],
            }]
        });
        assert!(matches!(
            declared.host_api(HostApi::Request),
            Err(Denial::NotGranted(_))
        ));
        let denied = declared.request(&url("http://u:p@a/x?key=1#f"), "GET");
        assert_eq!(
            denied,
            Err(Denial::NoGrantedTarget("GET http://a/x".into()))
        );
        assert!(matches!(
            declared.host_api(HostApi::Fs),
            Err(Denial::NotGranted(_))
        ));
    }
}
