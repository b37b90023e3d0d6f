//! Typed bindings of the world `pie:inferlet/inferlet`, generated from its WIT.
//!
//! Only what may make a guest wait is async: `poll`, `block`, and `send` (back-pressure of a slow client).

wasmtime::component::bindgen!({
    path: "../wit/pie",
    world: "inferlet",
    imports: {
        "wasi:io/poll.poll": async | trappable,
        "wasi:io/poll.[method]pollable.block": async | trappable,
        "pie:inferlet/core.send": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: {
        "wasi:io/poll.pollable": crate::pie::ready::Pollable,
        "pie:inferlet/core.model": crate::pie::imports::ModelHandle,
        "pie:inferlet/core.queue": crate::pie::scheduler::Queue,
        "pie:inferlet/core.debug-query-result": crate::pie::imports::DebugQueryResult,
        "pie:inferlet/core.synchronization-result": crate::pie::imports::SynchronizationResult,
        "pie:inferlet/core.receive-result": crate::pie::session::ReceiveResult,
        "pie:inferlet/core.subscription": crate::pie::pubsub::Subscription,
    },
});
