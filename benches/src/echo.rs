//! A plugin that costs next to nothing: every export hands back bytes that it was given, so that what a call takes is what
//! the host takes. It is written as component text, because a clock can only be read around it.
//!
//! [`Echo::Marked`] is the same plugin, which also logs one empty line when its instance starts, when an export is entered
//! and when it returns: the sink of the log reads the clock there.

/// Which of the two plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// Does nothing else.
    Plain,
    /// Logs a line at each stage.
    Marked,
}

/// The id of the plugin, and the namespace of its functions.
pub const ID: &str = "bench.echo";

/// Bytes of the state of the aggregate.
pub const STATE_BYTES: usize = 8;

const MANIFEST: &str = r#"{"id":"bench.echo","version":"1.0.0","capabilities":["scalar-fn","aggregate-fn","procedure"]}"#;

const PRIMITIVES: [&str; 4] = ["int64", "float64", "utf8", "largebinary"];

impl Echo {
    /// The component. Functions of `bench.echo`:
    ///
    /// - scalars `int64`, `float64`, `utf8`, `largebinary`: one argument of that type, answered as it is;
    /// - aggregate `keep` over `int64`: `agg-new` makes [`STATE_BYTES`] zeroes, `agg-update` and `agg-merge` hand the state
    ///   back, `agg-evaluate` answers with `value`, a stream of one row;
    /// - procedure `json`: its argument is one `cypher_value`, its answer `value` again;
    /// - procedure `unwrap`: its argument, one `binary`, is the stream that it answers with; it must yield one `int64`.
    ///
    /// It exports `empty` too, a function without parameters and result that does nothing.
    ///
    /// # Errors
    /// Where the text does not parse, with the reason; `value` cannot cause it.
    pub fn component(self, value: &[u8]) -> Result<Vec<u8>, String> {
        wat::parse_str(self.text(value)).map_err(|error| error.to_string())
    }

    fn text(self, value: &[u8]) -> String {
        let register = registration();
        let image = [MANIFEST.as_bytes(), register.as_bytes(), value].concat();
        let image: String = image.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let register_at = DATA + MANIFEST.len();
        let value_at = register_at + register.len();
        let heap = (value_at + value.len()).next_multiple_of(64);
        let pages = heap / 65_536 + 1;
        let (import, lowered, core_import, argument, mark, start) = match self {
            Self::Plain => ("", "", "", "", "(func $mark)", ""),
            Self::Marked => (
                r#"(import "uni:plugin/host-log@0.1.0" (instance $log
                    (export "log" (func (param "level" string) (param "message" string)))))"#,
                r#"(core func $lowered (canon lower (func $log "log") (memory $libc "memory")))"#,
                r#"(import "host" "log" (func $log (param i32 i32 i32 i32)))"#,
                r#"(export "log" (func $lowered))"#,
                "(func $mark (call $log (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))",
                "(start $mark)",
            ),
        };
        let (memory, bytes) = (
            r#"(memory $libc "memory") (realloc (func $libc "realloc"))"#,
            "(param $p i32) (param $l i32)",
        );
        let control = |name: &str, at: usize, length: usize| {
            format!(
                r#"(func (export "{name}") (result i32)
                  (i32.store (i32.const 64) (i32.const {at})) (i32.store (i32.const 68) (i32.const {length})) (i32.const 64))"#
            )
        };
        let controls = control("manifest", DATA, MANIFEST.len())
            + &control("register", register_at, register.len());
        let lift = |name: &str, lists: &str| {
            format!(
                r#"(func (export "{name}") (param "qname" string) {lists} (result (result (list u8) (error $error)))
                  (canon lift (core func $i "{name}") {memory} (post-return (func $libc "rewind"))))"#
            )
        };
        let lists = [
            "",
            r#"(param "a" (list u8))"#,
            r#"(param "a" (list u8)) (param "b" (list u8))"#,
        ];
        let lifts = [
            lift("invoke-scalar", lists[1]),
            lift("agg-new", lists[0]),
            lift("agg-update", lists[2]),
            lift("agg-merge", lists[2]),
            lift("agg-evaluate", lists[1]),
            lift("invoke-procedure", lists[1]),
        ]
        .concat();
        let value_length = value.len();
        // No other procedure has a name of this length.
        let json_length = ID.len() + ".json".len();
        format!(
            r#"(component
              (import "uni:plugin/types@0.1.0" (instance $types
                (type $r (record (field "code" u32) (field "message" string) (field "retryable" bool)))
                (export "fn-error" (type (eq $r)))))
              (alias export $types "fn-error" (type $error))
              {import}
              (core module $Libc
                (memory (export "memory") {pages})
                (global $next (mut i32) (i32.const {heap}))
                (data (i32.const {DATA}) "{image}")
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
                  (local.set $at (i32.and (i32.add (global.get $next) (i32.const 63)) (i32.const -64)))
                  (global.set $next (i32.add (local.get $at) (local.get 3)))
                  (block $fits
                    (br_if $fits (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
                    (br_if $fits (i32.ne (i32.const -1) (memory.grow (i32.add (i32.const 1)
                      (i32.shr_u (i32.sub (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
                        (i32.const 16))))))
                    unreachable)
                  (local.get $at))
                (func (export "rewind") (param i32) (global.set $next (i32.const {heap}))))
              (core instance $libc (instantiate $Libc))
              {lowered}
              (core module $Main
                (import "libc" "memory" (memory 1))
                {core_import}
                {mark}
                {start}
                (func $ok {bytes} (result i32)
                  (call $mark)
                  (i32.store (i32.const 64) (i32.const 0))
                  (i32.store (i32.const 68) (local.get $p)) (i32.store (i32.const 72) (local.get $l))
                  (i32.const 64))
                (func (export "empty"))
                {controls}
                (func (export "invoke-scalar") (param i32 i32) {bytes} (result i32)
                  (call $mark) (call $ok (local.get $p) (local.get $l)))
                (func (export "agg-new") (param i32 i32) (result i32)
                  (call $mark) (call $ok (i32.const 0) (i32.const {STATE_BYTES})))
                (func (export "agg-update") (param i32 i32) {bytes} (param i32 i32) (result i32)
                  (call $mark) (call $ok (local.get $p) (local.get $l)))
                (func (export "agg-merge") (param i32 i32) {bytes} (param i32 i32) (result i32)
                  (call $mark) (call $ok (local.get $p) (local.get $l)))
                (func (export "agg-evaluate") (param i32 i32 i32 i32) (result i32)
                  (call $mark) (call $ok (i32.const {value_at}) (i32.const {value_length})))
                ;; Two messages in front of the body: a schema, and a batch of a validity, of two offsets and of the bytes.
                ;; Each is a marker, a length, that many bytes; buffers begin at multiples of 64.
                (func (export "invoke-procedure") (param i32) (param $ql i32) {bytes} (result i32) (local $body i32)
                  (call $mark)
                  (if (i32.eq (local.get $ql) (i32.const {json_length}))
                    (then (return (call $ok (i32.const {value_at}) (i32.const {value_length})))))
                  (local.set $body (i32.add (local.get $p) (i32.add (i32.const 8) (i32.load offset=4 (local.get $p)))))
                  (local.set $body (i32.add (local.get $body)
                    (i32.add (i32.const 8) (i32.load offset=4 (local.get $body)))))
                  ;; A writer may leave the validity out: then the first offset, which is 0, comes first.
                  (if (i32.load (local.get $body))
                    (then (local.set $body (i32.add (local.get $body) (i32.const 64)))))
                  (call $ok (i32.add (local.get $body) (i32.const 64)) (i32.load offset=4 (local.get $body)))))
              (core instance $i (instantiate $Main
                (with "libc" (instance $libc)) (with "host" (instance {argument}))))
              (func (export "manifest") (result string) (canon lift (core func $i "manifest") {memory}))
              (func (export "register") (result string) (canon lift (core func $i "register") {memory}))
              {lifts}
              (func (export "empty") (canon lift (core func $i "empty"))))"#
        )
    }
}

/// Address of the manifest in memory; what comes before is scratch.
const DATA: usize = 1024;

fn registration() -> String {
    let ty = |name: &str| format!(r#"{{"kind":"primitive","arrow":"{name}"}}"#);
    let mut entries: Vec<String> = PRIMITIVES
        .iter()
        .map(|name| {
            format!(
                r#"{{"kind":"scalar","qname":"{ID}.{name}","signature":{{"args":[{0}],"returns":{0},"null_handling":"user_handled"}}}}"#,
                ty(name)
            )
        })
        .collect();
    entries.push(format!(
        r#"{{"kind":"aggregate","qname":"{ID}.keep","signature":{{"args":[{0}],"returns":{0}}},"state":{1}}}"#,
        ty("int64"),
        ty("binary")
    ));
    entries.push(format!(
        r#"{{"kind":"procedure","qname":"{ID}.unwrap","args":[{}],"yields":[{}],"mode":"read"}}"#,
        ty("binary"),
        ty("int64")
    ));
    entries.push(format!(
        r#"{{"kind":"procedure","qname":"{ID}.json","args":[{{"kind":"cypher_value"}}],"yields":[{}],"mode":"read"}}"#,
        ty("int64")
    ));
    format!(r#"{{"entries":[{}]}}"#, entries.join(","))
}
