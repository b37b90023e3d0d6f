//! `componentize CORE.wasm OUT.wasm`: makes a component of a core module that carries its world in a custom section, as
//! wit-bindgen leaves it. Used by `scripts/build-guests.sh`.

use anyhow::{Context, Result, bail};
use wit_component::ComponentEncoder;

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [module, component] = &arguments[..] else {
        bail!("usage: componentize CORE.wasm OUT.wasm");
    };
    let bytes = std::fs::read(module).with_context(|| format!("failed to read {module}"))?;
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|mut encoder| encoder.encode())
        .with_context(|| format!("failed to make a component of {module}"))?;
    std::fs::write(component, encoded).with_context(|| format!("failed to write {component}"))
}
