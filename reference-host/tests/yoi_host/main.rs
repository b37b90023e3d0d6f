//! The host of `yoi:plugin` from outside: small plugins, loopback servers, files in temporary directories.

mod envelopes;
mod files;
mod guests;
mod ingress;
mod lifecycle;
mod net;
mod servers;
mod tools;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use reference_host::yoi::{
    CallError, Config, Grants, HostApi, Ingress, IngressEvent, Manifest, Place, Plugin,
    RegisterError, RequestTarget, Tool, WebSocketTarget, YoiHost, digest,
};
use serde_json::{Value, json};

/// Longer than anything here takes.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) const TOOLS: [&str; 24] = [
    "echo", "count", "cfg", "raw", "sout", "stat", "trap", "spin", "deep", "grow", "u8", "oob",
    "rq", "op", "rd", "ls", "wr", "se1", "se2", "rv1", "rv2", "cl1", "cl2", "rv5",
];

/// Asks for every tool, one ingress, and every place on loopback.
pub(crate) fn manifest() -> Manifest {
    let place = || Place {
        scheme: "*".into(),
        host: "127.0.0.1".into(),
        port: None,
        path_prefixes: vec![],
    };
    Manifest {
        id: "a.plugin".into(),
        version: "1.0.0".into(),
        tools: TOOLS
            .iter()
            .map(|&name| Tool {
                name: name.into(),
                external_write: false,
            })
            .collect(),
        ingresses: vec![Ingress {
            name: "feed".into(),
            sources: vec![],
            event_kinds: vec![],
        }],
        request_targets: vec![RequestTarget {
            place: place(),
            methods: vec![],
        }],
        websocket_targets: vec![WebSocketTarget { place: place() }],
        ..Manifest::default()
    }
    .asking_for_all()
}

pub(crate) async fn register_with(
    host: &YoiHost,
    component: &[u8],
    change: impl FnOnce(&mut Manifest, &mut Grants),
) -> Result<Arc<Plugin>, RegisterError> {
    let mut manifest = manifest();
    let mut grants = Grants::all_of(&manifest, &digest(component));
    change(&mut manifest, &mut grants);
    host.register(component, manifest, grants, None).await
}

pub(crate) async fn register(config: Config, apis: &[HostApi]) -> Arc<Plugin> {
    let host = YoiHost::new(config);
    register_with(&host, &guests::plugin(apis), |_, _| ())
        .await
        .expect("registered")
}

/// The content of a tool's output.
pub(crate) async fn content(plugin: &Plugin, tool: &str, input: &str) -> Result<String, CallError> {
    let output = plugin.call_tool(tool, input).await?;
    Ok(output.content.expect("content"))
}

/// The answer of an import that a tool passed through.
pub(crate) async fn answer(plugin: &Plugin, tool: &str, input: &Value) -> Value {
    let text = content(plugin, tool, &input.to_string())
        .await
        .unwrap_or_else(|error| panic!("{tool} {input:.80}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{tool}: {error}: {text:.200}"))
}

/// The code of an import's error.
pub(crate) fn code(answer: &Value) -> &str {
    answer["error"]["code"]
        .as_str()
        .unwrap_or_else(|| panic!("no error: {answer:.200}"))
}

pub(crate) fn event(id: &str) -> IngressEvent {
    IngressEvent {
        correlation_id: id.into(),
        ..IngressEvent::new("feed", "note", "test", json!({"text": "hello"}))
    }
}
