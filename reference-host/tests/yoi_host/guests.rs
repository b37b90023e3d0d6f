//! One small plugin for all tests: a tool's name says what it does, imports are passed through to the caller.

use std::fmt::Write as _;
use std::path::Path;

use reference_host::yoi::HostApi;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// A plugin that imports these interfaces. Its tools, by the first two letters of their names:
///
/// | tool | does |
/// |---|---|
/// | `ec` | content: the input |
/// | `co` | content: how many calls of tools and ingresses the instance has had, one digit |
/// | `cf` | content: the config that `start` got |
/// | `ra` | answers the input itself, without quotes and escapes |
/// | `so`, `st` | ingress events, `status` and `stop`, are answered with this from now on |
/// | `tr`, `sp`, `de` | traps, spins, recurses |
/// | `gr` | grows its memory by 32 pages |
/// | `u8`, `oo` | answers bytes that are no UTF-8, or that lie outside |
/// | `rq`, `op`, `rd`, `ls`, `wr` | content: the import's answer to the input |
/// | `se`, `rv`, `cl` | the same on the handle that is the last letter; `rv`'s input is the time |
///
/// An ingress event is answered with `{"accepted":true,"data":EVENT}`, unless `so` said something else.
pub(crate) fn plugin(apis: &[HostApi]) -> Vec<u8> {
    component(&text(apis, r#"{"state":"ready","data":null}"#, 4))
}

/// A plugin whose `start` answers this, or traps when it is empty.
pub(crate) fn starting(answer: &str) -> Vec<u8> {
    component(&text(&[], answer, 4))
}

/// A plugin with a memory of this many pages.
pub(crate) fn with_pages(pages: u32) -> Vec<u8> {
    component(&text(&[], r#"{"state":"ready"}"#, pages))
}

/// A plugin with a table of this many elements.
pub(crate) fn with_table(elements: u32) -> Vec<u8> {
    let text = text(&[], r#"{"state":"ready"}"#, 4);
    component(&text.replace("(;more;)", &format!("(table {elements} funcref)")))
}

fn component(text: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut resolve = wit_parser::Resolve::default();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/yoi");
    let (package, _) = resolve.push_dir(path).expect("the world");
    let world = resolve
        .select_world(&[package], Some("instance"))
        .expect("the world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
    ComponentEncoder::default()
        .module(&module)
        .expect("a module")
        .validate(true)
        .encode()
        .expect("a component")
}

fn text(apis: &[HostApi], start: &str, pages: u32) -> String {
    let mut imports = String::new();
    let mut calls = String::new();
    let mut text_import = |interface: &str, name: &str, tool: &str| {
        let _ = write!(
            imports,
            r#"(import "yoi:host/{interface}@1.0.0" "{name}" (func ${tool} (param i32 i32 i32)))"#
        );
        let _ = write!(
            calls,
            "(if (call $is (local.get $n) {}) (then (call ${tool} (local.get $i) (local.get $il) (i32.const 32))
               (return (call $content (i32.load (i32.const 32)) (i32.load (i32.const 36))))))",
            letters(tool)
        );
    };
    for api in apis {
        match api {
            HostApi::Request => text_import("request", "request", "rq"),
            HostApi::Fs => {
                text_import("fs", "read", "rd");
                text_import("fs", "list", "ls");
                text_import("fs", "write", "wr");
            }
            HostApi::WebSocket => text_import("websocket", "open", "op"),
        }
    }
    if apis.contains(&HostApi::WebSocket) {
        imports += r#"
          (import "yoi:host/websocket@1.0.0" "send-text" (func $se (param i32 i32 i32 i32)))
          (import "yoi:host/websocket@1.0.0" "recv" (func $rv (param i32 i32 i32)))
          (import "yoi:host/websocket@1.0.0" "close" (func $cl (param i32 i32)))"#;
        let handle = "(i32.sub (i32.load8_u (i32.sub (i32.add (local.get $n) (local.get $nl)) (i32.const 1))) (i32.const 48))";
        let answer = "(return (call $content (i32.load (i32.const 32)) (i32.load (i32.const 36))))";
        let _ = write!(
            calls,
            "(if (call $is (local.get $n) {}) (then
               (call $se {handle} (i32.add (local.get $i) (i32.const 1)) (i32.sub (local.get $il) (i32.const 2)) (i32.const 32)) {answer}))
             (if (call $is (local.get $n) {}) (then
               (call $rv {handle} (call $number (local.get $i) (local.get $il)) (i32.const 32)) {answer}))
             (if (call $is (local.get $n) {}) (then (call $cl {handle} (i32.const 32)) {answer}))",
            letters("se"),
            letters("rv"),
            letters("cl")
        );
    }
    let tool = |name: &str, body: &str| {
        format!(
            "(if (call $is (local.get $n) {}) (then {body}))\n",
            letters(name)
        )
    };
    let tools = [
        tool("ec", "(return (call $content (local.get $i) (local.get $il)))"),
        tool(
            "co",
            "(i32.store8 (i32.const 48) (i32.add (i32.const 48) (global.get $calls)))
             (return (call $content (i32.const 48) (i32.const 1)))",
        ),
        tool("cf", "(return (call $content (i32.const 8192) (global.get $config)))"),
        tool(
            "ra",
            "(return (call $answer (i32.const 1000000) (call $plain (local.get $i) (local.get $il) (i32.const 1000000))))",
        ),
        tool(
            "so",
            "(global.set $output (call $plain (local.get $i) (local.get $il) (i32.const 900000)))
             (return (call $done))",
        ),
        tool(
            "st",
            "(global.set $status (call $plain (local.get $i) (local.get $il) (i32.const 800000)))
             (return (call $done))",
        ),
        tool("tr", "unreachable"),
        tool("sp", "(loop (br 0))"),
        tool("de", "(call $deep (i32.const 0)) (drop) (return (call $done))"),
        tool("gr", "(drop (memory.grow (i32.const 32))) (return (call $done))"),
        tool(
            "u8",
            "(i32.store (i32.const 48) (i32.const -1)) (return (call $answer (i32.const 48) (i32.const 4)))",
        ),
        tool("oo", "(return (call $answer (i32.const -16) (i32.const 64)))"),
    ]
    .concat();
    let start_data: String = start.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let start = match start {
        "" => "unreachable".to_owned(),
        text => format!("(call $answer (i32.const 4096) (i32.const {}))", text.len()),
    };
    format!(
        r#"(module {imports}
  (memory (export "memory") {pages})
  (;more;)
  (global $heap (mut i32) (i32.const 16384))
  (global $calls (mut i32) (i32.const 0))
  (global $config (mut i32) (i32.const 0))
  (global $output (mut i32) (i32.const 0))
  (global $status (mut i32) (i32.const 0))
  (data (i32.const 4096) "{start_data}")
  (data (i32.const 1024) "{{\22summary\22:\22done\22}}")
  (data (i32.const 1088) "{{\22summary\22:\22done\22,\22content\22:\22")
  (data (i32.const 1152) "\22}}")
  (data (i32.const 1216) "{{\22accepted\22:true,\22data\22:")
  (data (i32.const 1280) "{{\22state\22:\22running\22,\22data\22:1}}")
  ;; One region for what comes in, used again by each call.
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32) (local $end i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (local.set $end (i32.add (local.get $at) (local.get 3)))
    (if (i32.gt_u (local.get $end) (i32.shl (memory.size) (i32.const 16)))
      (then (drop (memory.grow (i32.const 4)))))
    (global.set $heap (local.get $end))
    (local.get $at))
  (func $answer (param $p i32) (param $l i32) (result i32)
    (global.set $heap (i32.const 16384))
    (i32.store (i32.const 16) (local.get $p))
    (i32.store (i32.const 20) (local.get $l))
    (i32.const 16))
  (func $done (result i32) (call $answer (i32.const 1024) (i32.const 18)))
  (func $is (param $n i32) (param $letters i32) (result i32)
    (i32.eq (i32.load16_u (local.get $n)) (local.get $letters)))
  (func $deep (param i32) (result i32)
    (i32.add (i32.const 1) (call $deep (i32.add (local.get 0) (i32.const 1)))))
  (func $number (param $p i32) (param $l i32) (result i32) (local $value i32)
    (loop $more
      (if (local.get $l) (then
        (local.set $value (i32.add (i32.mul (local.get $value) (i32.const 10))
          (i32.sub (i32.load8_u (local.get $p)) (i32.const 48))))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (local.set $l (i32.sub (local.get $l) (i32.const 1)))
        (br $more))))
    (local.get $value))
  ;; Grows the memory so that this address is inside.
  (func $room (param $end i32)
    (loop $more
      (if (i32.gt_u (local.get $end) (i32.shl (memory.size) (i32.const 16)))
        (then (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable)) (br $more)))))
  ;; Copies a JSON string without its quotes and backslashes; gives the length.
  (func $plain (param $p i32) (param $l i32) (param $to i32) (result i32) (local $end i32) (local $start i32) (local $c i32)
    (call $room (i32.add (local.get $to) (local.get $l)))
    (local.set $start (local.get $to))
    (local.set $end (i32.sub (i32.add (local.get $p) (local.get $l)) (i32.const 1)))
    (local.set $p (i32.add (local.get $p) (i32.const 1)))
    (loop $more
      (if (i32.lt_u (local.get $p) (local.get $end)) (then
        (local.set $c (i32.load8_u (local.get $p)))
        (if (i32.eq (local.get $c) (i32.const 92)) (then (local.set $p (i32.add (local.get $p) (i32.const 1)))))
        (i32.store8 (local.get $to) (i32.load8_u (local.get $p)))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (br $more))))
    (i32.sub (local.get $to) (local.get $start)))
  ;; A ToolOutput with this text as its content.
  (func $content (param $p i32) (param $l i32) (result i32) (local $to i32) (local $end i32) (local $c i32)
    (call $room (i32.add (i32.const 1200000) (i32.mul (local.get $l) (i32.const 2))))
    (memory.copy (i32.const 1100000) (i32.const 1088) (i32.const 29))
    (local.set $to (i32.const 1100029))
    (local.set $end (i32.add (local.get $p) (local.get $l)))
    (loop $more
      (if (i32.lt_u (local.get $p) (local.get $end)) (then
        (local.set $c (i32.load8_u (local.get $p)))
        (if (i32.or (i32.eq (local.get $c) (i32.const 34)) (i32.eq (local.get $c) (i32.const 92))) (then
          (i32.store8 (local.get $to) (i32.const 92))
          (local.set $to (i32.add (local.get $to) (i32.const 1)))))
        (i32.store8 (local.get $to) (local.get $c))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (br $more))))
    (memory.copy (local.get $to) (i32.const 1152) (i32.const 2))
    (call $answer (i32.const 1100000) (i32.sub (i32.add (local.get $to) (i32.const 2)) (i32.const 1100000))))
  (func (export "start") (param $p i32) (param $l i32) (result i32)
    (global.set $config (local.get $l))
    (memory.copy (i32.const 8192) (local.get $p) (local.get $l))
    {start})
  (func (export "handle-tool") (param $n i32) (param $nl i32) (param $i i32) (param $il i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    {tools} {calls}
    (call $done))
  (func (export "handle-ingress") (param $n i32) (param $nl i32) (param $i i32) (param $il i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (global.get $output) (then (return (call $answer (i32.const 900000) (global.get $output)))))
    (call $room (i32.add (i32.const 1200000) (local.get $il)))
    (memory.copy (i32.const 1100000) (i32.const 1216) (i32.const 24))
    (memory.copy (i32.const 1100024) (local.get $i) (local.get $il))
    (i32.store8 (i32.add (i32.const 1100024) (local.get $il)) (i32.const 125))
    (call $answer (i32.const 1100000) (i32.add (local.get $il) (i32.const 25))))
  (func $tell (result i32)
    (if (global.get $status) (then (return (call $answer (i32.const 800000) (global.get $status)))))
    (call $answer (i32.const 1280) (i32.const 28)))
  (func (export "status") (result i32) (call $tell))
  (func (export "stop") (result i32) (call $tell))
)"#
    )
}

/// The first two letters of a name as the guest compares them.
fn letters(name: &str) -> String {
    let bytes = name.as_bytes();
    format!("(i32.const {})", u16::from_le_bytes([bytes[0], bytes[1]]))
}
