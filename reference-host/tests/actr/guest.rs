//! One small workload for all tests: a core module in text form, wrapped into a component of the world.
//!
//! What a dispatch does is told by the first letter of its route; `ID` is one byte, the serial number of an actor [`id`].
//!
//! | route | payload | does |
//! |---|---|---|
//! | `e` | any | answers with the payload |
//! | `x` | one byte | answers with the error of that case number, its texts being the route |
//! | `t`, `s`, `n` | | traps, spins, answers with how often `n` was dispatched in this instance |
//! | `c`, `k` | ID, route letter, rest | calls (`call-raw`), tells that actor; answers with the reply |
//! | `l`, `h` | route letter, rest | calls `local`, `shell`; answers with the reply |
//! | `m` | route letter, rest | tells `local` |
//! | `d` | name | discovers the type `acme:NAME:1`; answers with the serial number |
//! | `r`, `u` | stream | registers, unregisters |
//! | `w` | ID, lane, stream letter, rest | streams the rest to that actor |
//! | `i`, `f` | | answers with its request-id, its caller's serial number (0 for none) |
//! | `g` | | grows its memory by 16 pages; answers with 1 if it could |
//! | `b`, `q` | | answers with 70 000 bytes, calls `shell` with them |
//!
//! Hooks log their names, `on-error` its context, `on-data-stream` the stream and the payload. `on-start` errs or traps if
//! the workload was built to do so.

use std::path::Path;
use std::sync::OnceLock;

use reference_host::actr::{ActrId, ActrType, Realm};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// How `on-start` goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Ok,
    Err,
    Trap,
}

/// The actor `acme:beta:1` of this serial number.
pub(crate) fn id(serial_number: u64) -> ActrId {
    ActrId {
        realm: Realm { realm_id: 7 },
        serial_number,
        type_: ActrType {
            manufacturer: "acme".into(),
            name: "beta".into(),
            version: "1".into(),
        },
    }
}

/// The workload.
pub(crate) fn workload() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| build(Start::Ok, ""))
}

/// The workload with another `on-start`, and with more at module level.
pub(crate) fn build(start: Start, more: &str) -> Vec<u8> {
    let start = match start {
        Start::Ok => "(call $done)",
        Start::Err => "(call $fail (i32.const 3) (i32.const 1024) (i32.const 8))",
        Start::Trap => "unreachable",
    };
    component(&format!(
        "(module {IMPORTS} {CORE} {more} {} {DISPATCH})",
        hooks(start)
    ))
}

/// A component made from a whole core module.
pub(crate) fn component(text: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    let mut resolve = wit_parser::Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/actr");
    let (package, _) = resolve.push_dir(wit).expect("the contract parses");
    let world = resolve
        .select_world(&[package], Some("actr-workload-guest"))
        .expect("the world is there");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
    ComponentEncoder::default()
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .unwrap_or_else(|error| panic!("{error:?}"))
}

const IMPORTS: &str = r#"
  (import "actr:workload/host@0.1.0" "call" (func $call (param i32 i32 i64 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "actr:workload/host@0.1.0" "tell" (func $tell (param i32 i32 i64 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "actr:workload/host@0.1.0" "call-raw" (func $call-raw (param i32 i64 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "actr:workload/host@0.1.0" "discover" (func $discover (param i32 i32 i32 i32 i32 i32 i32)))
  (import "actr:workload/host@0.1.0" "register-stream" (func $register (param i32 i32 i32)))
  (import "actr:workload/host@0.1.0" "unregister-stream" (func $unregister (param i32 i32 i32)))
  (import "actr:workload/host@0.1.0" "send-data-stream" (func $send (param i32 i32)))
  (import "actr:workload/host@0.1.0" "log-message" (func $log (param i32 i32 i32 i32)))
  (import "actr:workload/host@0.1.0" "get-caller-id" (func $caller (param i32)))
  (import "actr:workload/host@0.1.0" "get-request-id" (func $request (param i32)))
"#;

/// Results lie at 64. Texts: 1024 `on-start`, 1040 `acme`, 1048 `beta`, 1056 `1`, 1060 `info`, names of hooks from 2048.
const CORE: &str = r#"
  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const 8192))
  (global $count (mut i32) (i32.const 0))
  (data (i32.const 1024) "on-start") (data (i32.const 1040) "acme") (data (i32.const 1048) "beta")
  (data (i32.const 1056) "1") (data (i32.const 1060) "info")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    ;; Everything is transient in this guest: one region, used again and again.
    (if (i32.gt_u (i32.add (global.get $heap) (local.get 3)) (i32.const 120000))
      (then (global.set $heap (i32.const 8192))))
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func $say (param $p i32) (param $l i32)
    (call $log (i32.const 1060) (i32.const 4) (local.get $p) (local.get $l)))
  (func $done (result i32) (i64.store (i32.const 64) (i64.const 0)) (i32.const 64))
  (func $ok (param $p i32) (param $l i32) (result i32)
    (i32.store (i32.const 64) (i32.const 0))
    (i32.store (i32.const 68) (local.get $p)) (i32.store (i32.const 72) (local.get $l))
    (i32.const 64))
  (func $byte (param $b i32) (result i32)
    (i32.store8 (i32.const 128) (local.get $b)) (call $ok (i32.const 128) (i32.const 1)))
  (func $fail (param $case i32) (param $p i32) (param $l i32) (result i32)
    (i32.store (i32.const 64) (i32.const 1)) (i32.store (i32.const 68) (local.get $case))
    (i32.store (i32.const 72) (local.get $p)) (i32.store (i32.const 76) (local.get $l))
    (i32.store (i32.const 80) (local.get $p)) (i32.store (i32.const 84) (local.get $l))
    (i32.const 64))
"#;

fn hooks(start: &str) -> String {
    let peer = "(param i32 i64 i32 i32 i32 i32 i32 i32 i32 i32)";
    let infallible = [
        ("on-signaling-connecting", ""),
        ("on-signaling-connected", ""),
        ("on-signaling-disconnected", ""),
        ("on-websocket-connecting", peer),
        ("on-websocket-connected", peer),
        ("on-websocket-disconnected", peer),
        ("on-webrtc-connecting", peer),
        ("on-webrtc-connected", peer),
        ("on-webrtc-disconnected", peer),
        ("on-credential-renewed", "(param i64 i32)"),
        ("on-credential-expiring", "(param i64 i32)"),
        ("on-mailbox-backpressure", "(param i64 i64)"),
    ];
    let mut text = String::new();
    let mut at = 2048;
    let mut name = |text: &mut String, name: &str| {
        *text += &format!("(data (i32.const {at}) \"{name}\")\n");
        let say = format!("(call $say (i32.const {at}) (i32.const {}))", name.len());
        at += 32;
        say
    };
    for (hook, params) in infallible {
        let say = name(&mut text, hook);
        text +=
            &format!("(func (export \"actr:workload/workload@0.1.0#{hook}\") {params} {say})\n");
    }
    for (hook, body) in [
        ("on-start", start),
        ("on-ready", "(call $done)"),
        ("on-stop", "(call $done)"),
    ] {
        let say = name(&mut text, hook);
        text += &format!(
            "(func (export \"actr:workload/workload@0.1.0#{hook}\") (result i32) {say} {body})\n"
        );
    }
    text + r#"
      (func (export "actr:workload/workload@0.1.0#on-error")
        (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32) (result i32)
        (call $say (local.get 6) (local.get 7)) (call $done))
      (func (export "actr:workload/workload@0.1.0#on-data-stream") (param $p i32) (result i32)
        (call $say (i32.load (local.get $p)) (i32.load offset=4 (local.get $p)))
        (call $say (i32.load offset=16 (local.get $p)) (i32.load offset=20 (local.get $p)))
        (call $done))
    "#
}

const DISPATCH: &str = r#"
  (func (export "actr:workload/workload@0.1.0#dispatch")
    (param $q i32) (param $ql i32) (param $r i32) (param $rl i32) (param $p i32) (param $pl i32) (result i32)
    (local $letter i32) (local $serial i64) (local $i i32)
    (local.set $letter (i32.load8_u (local.get $r)))
    (local.set $serial (i64.load8_u (local.get $p)))
    (if (i32.eq (local.get $letter) (i32.const 101)) ;; e
      (then (return (call $ok (local.get $p) (local.get $pl)))))
    (if (i32.eq (local.get $letter) (i32.const 120)) ;; x
      (then (return (call $fail (i32.load8_u (local.get $p)) (local.get $r) (local.get $rl)))))
    (if (i32.eq (local.get $letter) (i32.const 116)) (then unreachable)) ;; t
    (if (i32.eq (local.get $letter) (i32.const 115)) (then (loop br 0))) ;; s
    (if (i32.eq (local.get $letter) (i32.const 110)) ;; n
      (then (global.set $count (i32.add (global.get $count) (i32.const 1)))
            (return (call $byte (global.get $count)))))
    (if (i32.eq (local.get $letter) (i32.const 99)) ;; c
      (then
        (call $call-raw (i32.const 7) (local.get $serial) (i32.const 1040) (i32.const 4) (i32.const 1048) (i32.const 4)
          (i32.const 1056) (i32.const 1) (i32.add (local.get $p) (i32.const 1)) (i32.const 1)
          (i32.add (local.get $p) (i32.const 2)) (i32.sub (local.get $pl) (i32.const 2)) (i32.const 64))
        (return (i32.const 64))))
    (if (i32.eq (local.get $letter) (i32.const 107)) ;; k
      (then
        (call $tell (i32.const 2) (i32.const 7) (local.get $serial) (i32.const 1040) (i32.const 4) (i32.const 1048)
          (i32.const 4) (i32.const 1056) (i32.const 1) (i32.add (local.get $p) (i32.const 1)) (i32.const 1)
          (i32.add (local.get $p) (i32.const 2)) (i32.sub (local.get $pl) (i32.const 2)) (i32.const 64))
        (if (i32.load8_u (i32.const 64)) (then (return (i32.const 64))))
        (return (call $ok (i32.const 0) (i32.const 0)))))
    (if (i32.or (i32.eq (local.get $letter) (i32.const 108)) (i32.eq (local.get $letter) (i32.const 104))) ;; l, h
      (then
        (call $call (i32.eq (local.get $letter) (i32.const 108)) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (local.get $p) (i32.const 1)
          (i32.add (local.get $p) (i32.const 1)) (i32.sub (local.get $pl) (i32.const 1)) (i32.const 64))
        (return (i32.const 64))))
    (if (i32.eq (local.get $letter) (i32.const 109)) ;; m
      (then
        (call $tell (i32.const 1) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0) (local.get $p) (i32.const 1) (i32.add (local.get $p) (i32.const 1))
          (i32.sub (local.get $pl) (i32.const 1)) (i32.const 64))
        (if (i32.load8_u (i32.const 64)) (then (return (i32.const 64))))
        (return (call $ok (i32.const 0) (i32.const 0)))))
    (if (i32.eq (local.get $letter) (i32.const 100)) ;; d
      (then
        (call $discover (i32.const 1040) (i32.const 4) (local.get $p) (local.get $pl) (i32.const 1056) (i32.const 1)
          (i32.const 256))
        (if (i32.load8_u (i32.const 256))
          (then ;; the error lies 8 behind there, 4 behind here
            (memory.copy (i32.const 68) (i32.const 264) (i32.const 20))
            (i32.store (i32.const 64) (i32.const 1))
            (return (i32.const 64))))
        (return (call $byte (i32.load8_u (i32.const 272))))))
    (if (i32.eq (local.get $letter) (i32.const 114)) ;; r
      (then (call $register (local.get $p) (local.get $pl) (i32.const 64))
        (if (i32.load8_u (i32.const 64)) (then (return (i32.const 64))))
        (return (call $ok (i32.const 0) (i32.const 0)))))
    (if (i32.eq (local.get $letter) (i32.const 117)) ;; u
      (then (call $unregister (local.get $p) (local.get $pl) (i32.const 64))
        (if (i32.load8_u (i32.const 64)) (then (return (i32.const 64))))
        (return (call $ok (i32.const 0) (i32.const 0)))))
    (if (i32.eq (local.get $letter) (i32.const 119)) ;; w
      (then
        (memory.fill (i32.const 512) (i32.const 0) (i32.const 128))
        (i32.store (i32.const 512) (i32.const 2)) ;; actor
        (i32.store (i32.const 520) (i32.const 7))
        (i64.store (i32.const 528) (local.get $serial))
        (i32.store (i32.const 536) (i32.const 1040)) (i32.store (i32.const 540) (i32.const 4))
        (i32.store (i32.const 544) (i32.const 1048)) (i32.store (i32.const 548) (i32.const 4))
        (i32.store (i32.const 552) (i32.const 1056)) (i32.store (i32.const 556) (i32.const 1))
        (i32.store (i32.const 560) (i32.add (local.get $p) (i32.const 2))) (i32.store (i32.const 564) (i32.const 1))
        (i64.store (i32.const 568) (i64.const -1))
        (i32.store (i32.const 576) (i32.add (local.get $p) (i32.const 3)))
        (i32.store (i32.const 580) (i32.sub (local.get $pl) (i32.const 3)))
        (i32.store8 (i32.const 608) (i32.load8_u offset=1 (local.get $p)))
        (call $send (i32.const 512) (i32.const 64))
        (if (i32.load8_u (i32.const 64)) (then (return (i32.const 64))))
        (return (call $ok (i32.const 0) (i32.const 0)))))
    (if (i32.eq (local.get $letter) (i32.const 105)) ;; i
      (then (call $request (i32.const 256))
        (return (call $ok (i32.load (i32.const 256)) (i32.load (i32.const 260))))))
    (if (i32.eq (local.get $letter) (i32.const 102)) ;; f
      (then (memory.fill (i32.const 256) (i32.const 0) (i32.const 64))
        (call $caller (i32.const 256))
        (return (call $byte (i32.load8_u (i32.const 272))))))
    (if (i32.eq (local.get $letter) (i32.const 103)) ;; g
      (then (return (call $byte (i32.ne (i32.const -1) (memory.grow (i32.const 16)))))))
    (if (i32.eq (local.get $letter) (i32.const 98)) ;; b
      (then (return (call $ok (i32.const 0) (i32.const 70000)))))
    (if (i32.eq (local.get $letter) (i32.const 113)) ;; q
      (then
        (call $call (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0) (local.get $r) (i32.const 1) (i32.const 0) (i32.const 70000) (i32.const 64))
        (return (i32.const 64))))
    (call $fail (i32.const 5) (local.get $r) (local.get $rl)))
"#;
