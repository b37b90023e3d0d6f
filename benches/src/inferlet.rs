//! Inferlets as a compiler would make them: a tight loop of core code around the imports it calls, so that the guest's own
//! share of a call is next to nothing. The puppets of the suite interpret a program, which would flatter every ratio.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// What a body may call, by the name after the `$`.
const IMPORTS: &[(&str, &str, &str, &str)] = &[
    (
        "answer-get",
        CORE,
        "[method]debug-query-result.get",
        "(param i32 i32)",
    ),
    (
        "answer-pollable",
        CORE,
        "[method]debug-query-result.pollable",
        "(param i32) (result i32)",
    ),
    (
        "ask",
        CORE,
        "[method]queue.debug-query",
        "(param i32 i32 i32) (result i32)",
    ),
    ("block", POLL, "[method]pollable.block", "(param i32)"),
    (
        "create-queue",
        CORE,
        "[method]model.create-queue",
        "(param i32) (result i32)",
    ),
    (
        "debug-query",
        CORE,
        "debug-query",
        "(param i32 i32) (result i32)",
    ),
    (
        "drop-answer",
        CORE,
        "[resource-drop]debug-query-result",
        "(param i32)",
    ),
    (
        "drop-pollable",
        POLL,
        "[resource-drop]pollable",
        "(param i32)",
    ),
    ("drop-queue", CORE, "[resource-drop]queue", "(param i32)"),
    (
        "drop-receive",
        CORE,
        "[resource-drop]receive-result",
        "(param i32)",
    ),
    (
        "drop-sync",
        CORE,
        "[resource-drop]synchronization-result",
        "(param i32)",
    ),
    ("get-instance-id", CORE, "get-instance-id", "(param i32)"),
    ("get-model", CORE, "get-model", "(param i32 i32 i32)"),
    ("receive", CORE, "receive", "(result i32)"),
    (
        "receive-get",
        CORE,
        "[method]receive-result.get",
        "(param i32 i32)",
    ),
    (
        "receive-pollable",
        CORE,
        "[method]receive-result.pollable",
        "(param i32) (result i32)",
    ),
    (
        "set-priority",
        CORE,
        "[method]queue.set-priority",
        "(param i32 i32)",
    ),
    ("store-get", CORE, "store-get", "(param i32 i32 i32)"),
    ("store-set", CORE, "store-set", "(param i32 i32 i32 i32)"),
    (
        "sync-get",
        CORE,
        "[method]synchronization-result.get",
        "(param i32 i32)",
    ),
    (
        "sync-pollable",
        CORE,
        "[method]synchronization-result.pollable",
        "(param i32) (result i32)",
    ),
    (
        "synchronize",
        CORE,
        "[method]queue.synchronize",
        "(param i32) (result i32)",
    ),
];

const CORE: &str = "pie:inferlet/core";
const POLL: &str = "wasi:io/poll@0.2.4";

/// Functions that a body may call as well; those that it does call are kept.
const FUNCTIONS: &[(&str, &str)] = &[
    // Reads the clock, on the host's side.
    (
        "mark",
        "(func $mark (call $drop-answer (call $debug-query (i32.const 100) (i32.const 1))))",
    ),
    // Says that this instance is about to wait for its client.
    (
        "ready",
        "(func $ready (call $drop-answer (call $debug-query (i32.const 101) (i32.const 1))))",
    ),
    // Waits for one message of the client.
    (
        "gate",
        "(func $gate (local $r i32) (local $p i32)
        (local.set $r (call $receive))
        (local.set $p (call $receive-pollable (local.get $r)))
        (call $block (local.get $p))
        (call $receive-get (local.get $r) (i32.const 32))
        (call $drop-pollable (local.get $p))
        (call $drop-receive (local.get $r)))",
    ),
    // A new queue of the model `m`, whose handle the caller keeps.
    (
        "queue",
        "(func $queue (result i32)
        (call $get-model (i32.const 100) (i32.const 1) (i32.const 32))
        (call $create-queue (i32.load (i32.const 36))))",
    ),
    // One question to the model, until its answer is read. Its handles stay in the globals, for `forget`.
    (
        "ask-and-wait",
        "(func $ask-and-wait (param $q i32)
        (global.set $r (call $ask (local.get $q) (i32.const 112) (i32.const 4)))
        (global.set $p (call $answer-pollable (global.get $r)))
        (call $block (global.get $p))
        (call $answer-get (global.get $r) (i32.const 32)))",
    ),
    (
        "forget-answer",
        "(func $forget-answer
        (call $check)
        (call $drop-pollable (global.get $p))
        (call $drop-answer (global.get $r)))",
    ),
    // A synchronize, until it is known how it went.
    (
        "wait",
        "(func $wait (param $q i32)
        (global.set $s (call $synchronize (local.get $q)))
        (global.set $p (call $sync-pollable (global.get $s)))
        (call $block (global.get $p))
        (call $sync-get (global.get $s) (i32.const 32)))",
    ),
    (
        "forget-wait",
        "(func $forget-wait
        (call $check)
        (call $drop-pollable (global.get $p))
        (call $drop-sync (global.get $s)))",
    ),
    // A question and a synchronize behind it; the answer is there when that is.
    (
        "both",
        "(func $both (param $q i32)
        (global.set $r (call $ask (local.get $q) (i32.const 112) (i32.const 4)))
        (call $wait (local.get $q))
        (call $check)
        (call $answer-get (global.get $r) (i32.const 32)))",
    ),
    (
        "forget-both",
        "(func $forget-both
        (call $forget-wait)
        (call $drop-answer (global.get $r)))",
    ),
    // What was read last is there.
    (
        "check",
        "(func $check (if (i32.eqz (i32.load8_u (i32.const 32))) (then unreachable)))",
    ),
];

/// Texts in memory, by address: `m` is the query that reads the clock and the name of the model, `r` says ready.
const TEXTS: &[(u32, &str)] = &[
    (100, "mr"),
    (112, "ping"),
    (128, "latency-of-one-call-00000001"),
    (192, "a value of forty characters, no more no."),
];

/// Address and length of a key of the store.
pub const KEY: &str = "(i32.const 128) (i32.const 28)";

/// Address and length of a value of the store.
pub const VALUE: &str = "(i32.const 192) (i32.const 40)";

/// A component whose `run` is this body, which may use the locals `$a` to `$d` and what is listed above, and returns `ok`.
/// Memory from 8,192 to 16,384 is the body's own.
///
/// # Errors
/// The reason, when the body is not WebAssembly text or the contract does not parse.
pub fn inferlet(body: &str) -> Result<Vec<u8>, String> {
    let mut text = body.to_owned();
    let mut missing: Vec<_> = FUNCTIONS.iter().collect();
    while let Some(at) = missing.iter().position(|(name, _)| calls(&text, name)) {
        text = format!("{}\n{text}", missing.remove(at).1);
    }
    let functions = &text[..text.len() - body.len()];
    let imports: String = IMPORTS
        .iter()
        .filter(|(name, ..)| calls(&text, name))
        .map(|(name, module, field, ty)| {
            format!("(import {module:?} {field:?} (func ${name} {ty}))\n")
        })
        .collect();
    let data: String = TEXTS
        .iter()
        .map(|(address, text)| format!("(data (i32.const {address}) {text:?})\n"))
        .collect();
    let module = format!(
        r#"(module {imports}
          (memory (export "memory") 1)
          (global $heap (mut i32) (i32.const 16384))
          (global $r (mut i32) (i32.const 0))
          (global $s (mut i32) (i32.const 0))
          (global $p (mut i32) (i32.const 0))
          ;; Results do not last: one region, used again and again.
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
            (if (i32.gt_u (i32.add (global.get $heap) (local.get 3)) (i32.const 60000))
              (then (global.set $heap (i32.const 16384))))
            (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
            (global.set $heap (i32.add (local.get $at) (local.get 3)))
            (local.get $at))
          {data} {functions}
          (func (export "pie:inferlet/run#run") (result i32)
            (local $a i32) (local $b i32) (local $c i32) (local $d i32)
            {body}
            (i32.store8 (i32.const 32) (i32.const 0))
            (i32.const 32)))"#
    );
    component(&module).map_err(|error| format!("{error}\n{module}"))
}

/// Calls of `name` in a text, and of nothing that is only called alike.
fn calls(text: &str, name: &str) -> bool {
    let call = format!("(call ${name}");
    text.match_indices(&call)
        .any(|(at, _)| text[at + call.len()..].starts_with([' ', ')', '\n']))
}

fn component(module: &str) -> Result<Vec<u8>, String> {
    let mut module = wat::parse_str(module).map_err(|error| error.to_string())?;
    let mut resolve = wit_parser::Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/pie");
    let (package, _) = resolve
        .push_dir(wit)
        .map_err(|error| format!("{error:#}"))?;
    let world = resolve
        .select_world(&[package], Some("inferlet"))
        .map_err(|error| format!("{error:#}"))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| format!("{error:#}"))?;
    ComponentEncoder::default()
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| format!("{error:#}"))
}

/// `body` so many times, in a loop of its own over the local `$d`.
pub fn repeat(count: usize, body: &str) -> String {
    format!(
        "(local.set $d (i32.const {count}))
         (loop $again
           {body}
           (br_if $again (local.tee $d (i32.sub (local.get $d) (i32.const 1)))))"
    )
}
