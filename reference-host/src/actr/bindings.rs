//! Typed bindings of the world `actr:workload/actr-workload-guest`, generated from its WIT.
//!
//! Only what may make a guest wait is async: the operations. Context and log are answered at once.

wasmtime::component::bindgen!({
    path: "../wit/actr",
    world: "actr-workload-guest",
    imports: {
        "actr:workload/host.log-message": trappable,
        "actr:workload/host.get-self-id": trappable,
        "actr:workload/host.get-caller-id": trappable,
        "actr:workload/host.get-request-id": trappable,
        default: async | trappable,
    },
    exports: { default: async },
    additional_derives: [PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize],
});
