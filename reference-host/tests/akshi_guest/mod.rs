//! Small agents for the tests: a core module in text form, wrapped into a component of the world.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

const IMPORTS: &str = r#"
  (import "akshi:runtime/host@0.1.0" "db-query" (func $db-query (param i32 i32 i32)))
  (import "akshi:runtime/host@0.1.0" "db-execute" (func $db-execute (param i32 i32 i32)))
  (import "akshi:runtime/host@0.1.0" "journal-append" (func $journal-append (param i32 i32 i32)))
  (import "akshi:runtime/host@0.1.0" "journal-read" (func $journal-read (param i64 i32)))
  (import "akshi:runtime/host@0.1.0" "config-get" (func $config-get (param i32 i32 i32)))
  (import "akshi:runtime/host@0.1.0" "config-set" (func $config-set (param i32 i32 i32 i32 i32)))
  (import "akshi:runtime/host@0.1.0" "a2a-send" (func $a2a-send (param i32 i32 i32 i32 i32)))
  (import "akshi:runtime/host@0.1.0" "a2a-receive" (func $a2a-receive (param i32)))
  (import "akshi:runtime/host@0.1.0" "log" (func $log (param i32 i32 i32 i32 i32)))
  (import "akshi:runtime/host@0.1.0" "sleep-ms" (func $sleep-ms (param i64 i32)))
  (import "akshi:runtime/host@0.1.0" "random-bytes" (func $random-bytes (param i32 i32)))
"#;

/// Results lie at 32: discriminant, then pointer at 36 and length at 40; of `db-execute` the text's at 40 and 44. A run that
/// leaves 0 is `ok`: the bytes there are zero. `$say` logs the text of a result, with `err ` before it when it is one.
const PRELUDE: &str = r#"
  (memory (export "memory") 1)
  (table (export "t") 1 funcref)
  (global $heap (mut i32) (i32.const 8192))
  (global $runs (mut i32) (i32.const 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    ;; Results are transient in these guests: one region, used again and again.
    (if (i32.gt_u (i32.add (global.get $heap) (local.get 3)) (i32.const 60000))
      (then (global.set $heap (i32.const 8192))))
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (data (i32.const 16) "info")
  (data (i32.const 64) "err")
  (func $tell (param $at i32) (param $len i32)
    (call $log (i32.const 16) (i32.const 4) (local.get $at) (local.get $len) (i32.const 48)))
  (func $say
    (if (i32.load8_u (i32.const 32)) (then (call $tell (i32.const 64) (i32.const 3))))
    (call $tell (i32.load (i32.const 36)) (i32.load (i32.const 40))))
  ;; For results without a text in `ok`.
  (func $say-err
    (if (i32.load8_u (i32.const 32)) (then (call $say)) (else (call $tell (i32.const 16) (i32.const 0)))))
  (func $say-count
    (if (i32.load8_u (i32.const 32))
      (then
        (i32.store (i32.const 36) (i32.load (i32.const 40)))
        (i32.store (i32.const 40) (i32.load (i32.const 44)))
        (call $say))
      (else
        (i32.store8 (i32.const 96) (i32.add (i32.const 48) (i32.load8_u (i32.const 40))))
        (call $tell (i32.const 96) (i32.const 1)))))
"#;

/// A component whose `run` is this body; it leaves the result's address, 0 for `ok`. `TEXT` in backticks stands for the
/// address and length of that text, as two constants.
pub(crate) fn agent(body: &str) -> Vec<u8> {
    let (body, data) = texts(body);
    core_agent(&format!(
        r#"(module {IMPORTS} {PRELUDE} {data}
          (func (export "run") (result i32) {body}))"#
    ))
}

/// A component made from a whole core module.
pub(crate) fn core_agent(text: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    let mut resolve = wit_parser::Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/akshi");
    let (package, _) = resolve.push_dir(wit).expect("the contract parses");
    let world = resolve
        .select_world(&[package], Some("agent"))
        .expect("the world is there");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
    ComponentEncoder::default()
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .unwrap_or_else(|error| panic!("{error:?}"))
}

/// Puts texts in backticks into data segments from 1024.
fn texts(body: &str) -> (String, String) {
    let (mut code, mut data, mut address) = (String::new(), String::new(), 1024);
    for (index, part) in body.split('`').enumerate() {
        if index % 2 == 0 {
            code.push_str(part);
            continue;
        }
        code.push_str(&format!("(i32.const {address}) (i32.const {})", part.len()));
        data.push_str(&format!("(data (i32.const {address}) {part:?})\n"));
        address += part.len() + 8;
    }
    (code, data)
}
