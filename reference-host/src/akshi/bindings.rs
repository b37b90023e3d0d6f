//! Typed bindings of the world `akshi:runtime/agent`, generated from its WIT. Any host call may wait, for a disk, a server
//! or an approval.

wasmtime::component::bindgen!({
    path: "../wit/akshi",
    world: "agent",
    imports: { default: async },
    exports: { default: async },
});
