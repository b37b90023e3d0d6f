//! A component that was checked against the world `yoi:plugin/instance` and against what its plugin may import.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, InstancePre, Type};

use super::authority::Authority;
use super::error::RegisterError;
use super::imports::{self, State};
use super::limits::Limits;
use super::manifest::HostApi;
use crate::engine::{self, EngineError};

/// The exports of the world and their numbers of parameters, all strings.
const EXPORTS: [(&str, usize); 5] = [
    ("start", 1),
    ("handle-tool", 2),
    ("handle-ingress", 2),
    ("status", 0),
    ("stop", 0),
];

/// The imports of the world, by exact name and version.
const IMPORTS: [(&str, HostApi); 3] = [
    (imports::REQUEST, HostApi::Request),
    (imports::WEBSOCKET, HostApi::WebSocket),
    (imports::FS, HostApi::Fs),
];

/// The digest that grants are bound to: `sha256:` and the component's SHA-256 in lower-case hexadecimal.
pub fn digest(component: &[u8]) -> String {
    Sha256::digest(component)
        .iter()
        .fold("sha256:".to_owned(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Compiles a component and checks it; nothing of it runs.
pub(super) fn check(
    bytes: &[u8],
    authority: &Authority,
    limits: &Limits,
) -> Result<InstancePre<State>, RegisterError> {
    if bytes.len() > limits.component_bytes {
        return Err(RegisterError::TooLarge {
            got: bytes.len(),
            limit: limits.component_bytes,
        });
    }
    let component = engine::compile(bytes).map_err(|error| match error {
        EngineError::Compile(reason) => RegisterError::Component(reason),
        other => RegisterError::Host(other.to_string()),
    })?;
    check_imports(&component, authority)?;
    check_exports(&component)?;
    imports::linker()
        .map_err(RegisterError::Host)?
        .instantiate_pre(&component)
        .map_err(|error| RegisterError::Component(format!("{error:#}")))
}

/// What is imported must be there and permitted, whether or not it is ever called.
fn check_imports(component: &Component, authority: &Authority) -> Result<(), RegisterError> {
    for (name, item) in component.component_type().imports(component.engine()) {
        let refused = |reason: String| RegisterError::Import {
            name: name.to_owned(),
            reason,
        };
        let known = IMPORTS.iter().find(|(known, _)| *known == name);
        match (known, item.ty) {
            (Some((_, api)), ComponentItem::ComponentInstance(_)) => authority
                .host_api(*api)
                .map_err(|denial| refused(denial.to_string()))?,
            _ => return Err(refused("unsupported component import".to_owned())),
        }
    }
    Ok(())
}

fn check_exports(component: &Component) -> Result<(), RegisterError> {
    let ty = component.component_type();
    for (name, params) in EXPORTS {
        let reason = match ty
            .get_export(component.engine(), name)
            .map(|export| export.ty)
        {
            Some(ComponentItem::ComponentFunc(func)) if is_text(&func, params) => continue,
            Some(ComponentItem::ComponentFunc(_)) => "has another type than the world says",
            Some(_) => "is no function",
            None => "is missing",
        };
        return Err(RegisterError::Export { name, reason });
    }
    Ok(())
}

fn is_text(func: &ComponentFunc, params: usize) -> bool {
    let mut results = func.results();
    func.params().len() == params
        && func.params().all(|(_, ty)| matches!(ty, Type::String))
        && matches!(results.next(), Some(Type::String))
        && results.next().is_none()
}
