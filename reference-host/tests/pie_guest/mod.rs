//! Small inferlets for the tests: a core module in text form, wrapped into a component of the world.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use reference_host::pie::{Event, InstanceId, Outcome};
use tokio::sync::mpsc::UnboundedReceiver;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

const IMPORTS: &str = r#"
  (import "pie:inferlet/core" "send" (func $send (param i32 i32)))
  (import "pie:inferlet/core" "receive" (func $receive (result i32)))
  (import "pie:inferlet/core" "broadcast" (func $broadcast (param i32 i32 i32 i32)))
  (import "pie:inferlet/core" "subscribe" (func $subscribe (param i32 i32) (result i32)))
  (import "pie:inferlet/core" "store-set" (func $store-set (param i32 i32 i32 i32)))
  (import "pie:inferlet/core" "store-get" (func $store-get (param i32 i32 i32)))
  (import "pie:inferlet/core" "get-instance-id" (func $get-instance-id (param i32)))
  (import "pie:inferlet/core" "get-arguments" (func $get-arguments (param i32)))
  (import "pie:inferlet/core" "debug-query" (func $debug-query (param i32 i32) (result i32)))
  (import "pie:inferlet/core" "get-model" (func $get-model (param i32 i32 i32)))
  (import "pie:inferlet/core" "[method]model.create-queue" (func $create-queue (param i32) (result i32)))
  (import "pie:inferlet/core" "[resource-drop]model" (func $drop-model (param i32)))
  (import "pie:inferlet/core" "[method]queue.synchronize" (func $synchronize (param i32) (result i32)))
  (import "pie:inferlet/core" "[method]queue.set-priority" (func $set-priority (param i32 i32)))
  (import "pie:inferlet/core" "[method]queue.debug-query" (func $ask (param i32 i32 i32) (result i32)))
  (import "pie:inferlet/core" "[resource-drop]queue" (func $drop-queue (param i32)))
  (import "pie:inferlet/core" "[method]debug-query-result.get" (func $answer (param i32 i32)))
  (import "pie:inferlet/core" "[method]synchronization-result.pollable" (func $sync-pollable (param i32) (result i32)))
  (import "pie:inferlet/core" "[method]synchronization-result.get" (func $sync-get (param i32 i32)))
  (import "pie:inferlet/core" "[resource-drop]synchronization-result" (func $drop-sync (param i32)))
  (import "pie:inferlet/core" "[method]receive-result.pollable" (func $receive-pollable (param i32) (result i32)))
  (import "pie:inferlet/core" "[method]receive-result.get" (func $receive-get (param i32 i32)))
  (import "pie:inferlet/core" "[resource-drop]receive-result" (func $drop-receive (param i32)))
  (import "pie:inferlet/core" "[method]subscription.get" (func $subscription-get (param i32 i32)))
  (import "pie:inferlet/core" "[method]subscription.pollable" (func $subscription-pollable (param i32) (result i32)))
  (import "pie:inferlet/core" "[resource-drop]subscription" (func $drop-subscription (param i32)))
  (import "wasi:io/poll@0.2.4" "poll" (func $poll (param i32 i32 i32)))
  (import "wasi:io/poll@0.2.4" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@0.2.4" "[method]pollable.ready" (func $ready (param i32) (result i32)))
  (import "wasi:io/poll@0.2.4" "[resource-drop]pollable" (func $drop-pollable (param i32)))
"#;

/// Results are written to 32: discriminant, then pointer at 36 and length at 40. `run` returns 0: twelve zero bytes.
const PRELUDE: &str = r#"
  (memory (export "memory") 1)
  (global $heap (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    ;; Results are transient in these guests: one region, used again and again.
    (if (i32.gt_u (i32.add (global.get $heap) (local.get 3)) (i32.const 60000))
      (then (global.set $heap (i32.const 4096))))
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func $send-text (call $send (i32.load (i32.const 36)) (i32.load (i32.const 40))))
  ;; Receives one message into 32; all handles are dropped again.
  (func $next (local $r i32) (local $p i32)
    (local.set $r (call $receive))
    (local.set $p (call $receive-pollable (local.get $r)))
    (call $block (local.get $p))
    (call $receive-get (local.get $r) (i32.const 32))
    (call $drop-pollable (local.get $p))
    (call $drop-receive (local.get $r)))
"#;

/// A component whose `run` is this body (locals `$a` to `$d` are there; it leaves the result's address, 0 for `ok`).
/// `data` are texts by address, `more` is anything else at module level.
pub(crate) fn inferlet(body: &str, data: &[(u32, &str)], more: &str) -> Vec<u8> {
    let data: String = data
        .iter()
        .map(|(address, text)| format!("(data (i32.const {address}) {text:?})\n"))
        .collect();
    core_inferlet(&format!(
        r#"(module {IMPORTS} {PRELUDE} {data} {more}
          (func (export "pie:inferlet/run#run") (result i32)
            (local $a i32) (local $b i32) (local $c i32) (local $d i32)
            {body}))"#
    ))
}

/// A component made from a whole core module.
pub(crate) fn core_inferlet(text: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    let mut resolve = wit_parser::Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/pie");
    let (package, _) = resolve.push_dir(wit).expect("the contract parses");
    let world = resolve
        .select_world(&[package], Some("inferlet"))
        .expect("the world is there");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
    ComponentEncoder::default()
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .unwrap_or_else(|error| panic!("{error:?}"))
}

/// Receives messages and sends them back until one is empty.
pub(crate) fn echo() -> Vec<u8> {
    inferlet(
        "(loop $again
           (call $next)
           (call $send-text)
           (br_if $again (i32.load (i32.const 40))))
         i32.const 0",
        &[],
        "",
    )
}

/// The client's side of all instances that share one channel.
pub(crate) struct Client {
    events: UnboundedReceiver<Event>,
    ended: HashMap<InstanceId, Outcome>,
    messages: HashMap<InstanceId, Vec<String>>,
}

impl Client {
    pub(crate) fn new(events: UnboundedReceiver<Event>) -> Self {
        Self {
            events,
            ended: HashMap::new(),
            messages: HashMap::new(),
        }
    }

    /// The next event, within 20 s.
    pub(crate) async fn next(&mut self) -> Event {
        tokio::time::timeout(Duration::from_secs(20), self.events.recv())
            .await
            .expect("an event in time")
            .expect("the host lives")
    }

    /// The next message, whoever sent it.
    pub(crate) async fn message(&mut self) -> String {
        match self.next().await {
            Event::Message { text, .. } => text,
            other => panic!("a message, not {other:?}"),
        }
    }

    /// Everything of this instance: its messages and its end.
    pub(crate) async fn all(&mut self, instance: InstanceId) -> (Vec<String>, Outcome) {
        while !self.ended.contains_key(&instance) {
            match self.next().await {
                Event::Message { instance, text } => {
                    assert!(!self.ended.contains_key(&instance), "nothing after the end");
                    self.messages.entry(instance).or_default().push(text);
                }
                Event::Ended { instance, outcome } => {
                    assert_eq!(self.ended.insert(instance, outcome), None, "ended once");
                }
            }
        }
        let messages = self.messages.remove(&instance).unwrap_or_default();
        (messages, self.ended[&instance].clone())
    }

    pub(crate) fn try_next(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }
}
