//! Plugins as component text. A test gives the JSON of the control exports and the bodies of the work exports.

/// Parts of a plugin. Bodies are WebAssembly text; in scope are `$ok (ptr, len)` and `$err (code, ptr, len, retryable)`,
/// which make an export's result, the locals `$q $ql` (qname) and, by export, `$a $al` and `$b $bl` (byte lists).
#[derive(Clone, Default)]
pub(crate) struct Guest {
    pub manifest: String,
    pub register: String,
    pub scalar: Option<String>,
    /// new, update, merge, evaluate.
    pub aggregate: Option<[String; 4]>,
    pub procedure: Option<String>,
    /// Bytes in memory from address 4096 on.
    pub data: Vec<u8>,
    pub log: bool,
    pub net: bool,
    /// More component-level imports, as text.
    pub imports: String,
    /// More core-level text: functions, globals, tables.
    pub core: String,
    /// Body in front of the answer of `manifest` and of `register`.
    pub manifest_body: String,
    pub register_body: String,
    pub pages: u32,
}

pub(crate) const DATA: usize = 4096;

impl Guest {
    pub(crate) fn new(manifest: &str, register: &str) -> Self {
        Self {
            manifest: manifest.into(),
            register: register.into(),
            ..Self::default()
        }
    }

    /// A plugin `a.b` that registers `entries`, a JSON array's inside.
    pub(crate) fn of(entries: &str) -> Self {
        Self::new(
            r#"{"id":"a.b","version":"1.0.0"}"#,
            &format!(r#"{{"entries":[{entries}]}}"#),
        )
    }

    pub(crate) fn scalar(mut self, body: &str) -> Self {
        self.scalar = Some(body.into());
        self
    }

    pub(crate) fn aggregate(mut self, bodies: [&str; 4]) -> Self {
        self.aggregate = Some(bodies.map(String::from));
        self
    }

    pub(crate) fn procedure(mut self, body: &str) -> Self {
        self.procedure = Some(body.into());
        self
    }

    /// Puts `data` into memory and returns the body that answers with it.
    pub(crate) fn answering(mut self, data: &[u8]) -> (Self, String) {
        let at = DATA + self.data.len();
        self.data.extend_from_slice(data);
        let body = format!("(call $ok (i32.const {at}) (i32.const {}))", data.len());
        (self, body)
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let manifest_at = DATA + self.data.len();
        let register_at = manifest_at + self.manifest.len();
        let heap = (register_at + self.register.len()).next_multiple_of(16);
        let pages = (heap / 65_536 + 1).max(self.pages as usize);
        let mut all = self.data.clone();
        all.extend_from_slice(self.manifest.as_bytes());
        all.extend_from_slice(self.register.as_bytes());
        let data: String = all.iter().map(|b| format!("\\{b:02x}")).collect();

        let mut core = String::new();
        let mut exports = String::new();
        let mut control = |name: &str, at: usize, len: usize, body: &str| {
            core += &format!(
                "(func (export \"{name}\") (result i32) {body}
                   (i32.store (i32.const 64) (i32.const {at})) (i32.store (i32.const 68) (i32.const {len}))
                   (i32.const 64))\n"
            );
            exports += &format!(
                "(func (export \"{name}\") (result string) (canon lift (core func $i \"{name}\")
                   (memory $libc \"memory\") (realloc (func $libc \"realloc\"))))\n"
            );
        };
        control(
            "manifest",
            manifest_at,
            self.manifest.len(),
            &self.manifest_body,
        );
        control(
            "register",
            register_at,
            self.register.len(),
            &self.register_body,
        );
        let mut work = |name: &str, lists: usize, body: &str| {
            let (core_params, params) = [
                ("", ""),
                ("(param $a i32) (param $al i32)", "(param \"a\" (list u8))"),
                (
                    "(param $a i32) (param $al i32) (param $b i32) (param $bl i32)",
                    "(param \"a\" (list u8)) (param \"b\" (list u8))",
                ),
            ][lists];
            core += &format!(
                "(func (export \"{name}\") (param $q i32) (param $ql i32) {core_params} (result i32) {body})\n"
            );
            exports += &format!(
                "(func (export \"{name}\") (param \"qname\" string) {params}
                   (result (result (list u8) (error $fe))) (canon lift (core func $i \"{name}\")
                   (memory $libc \"memory\") (realloc (func $libc \"realloc\"))))\n"
            );
        };
        if let Some(body) = &self.scalar {
            work("invoke-scalar", 1, body);
        }
        if let Some([new, update, merge, evaluate]) = &self.aggregate {
            work("agg-new", 0, new);
            work("agg-update", 2, update);
            work("agg-merge", 2, merge);
            work("agg-evaluate", 1, evaluate);
        }
        if let Some(body) = &self.procedure {
            work("invoke-procedure", 1, body);
        }

        let (mut imports, mut lowered, mut core_imports, mut args) = (
            self.imports.clone(),
            String::new(),
            String::new(),
            String::new(),
        );
        if self.log {
            imports += "(import \"uni:plugin/host-log@0.1.0\" (instance $log
                (export \"log\" (func (param \"level\" string) (param \"message\" string)))))";
            lowered +=
                "(core func $log' (canon lower (func $log \"log\") (memory $libc \"memory\")))";
            core_imports += "(import \"host\" \"log\" (func $log (param i32 i32 i32 i32)))";
            args += "(export \"log\" (func $log'))";
        }
        if self.net {
            imports += "(import \"uni:plugin/host-net@0.1.0\" (instance $net
                (alias outer 1 $fe (type $fe1))
                (export \"fn-error\" (type $fe2 (eq $fe1)))
                (type $hr (record (field \"status\" u16) (field \"body\" (list u8))))
                (export \"http-response\" (type $hr2 (eq $hr)))
                (export \"http-get\" (func (param \"url\" string) (param \"timeout-ms\" u64)
                  (param \"max-bytes\" u32) (result (result $hr2 (error $fe2)))))
                (export \"http-post\" (func (param \"url\" string) (param \"body\" (list u8))
                  (param \"timeout-ms\" u64) (param \"max-bytes\" u32) (result (result $hr2 (error $fe2)))))))
              (import \"uni:plugin/host-trace-context@0.1.0\" (instance $trace
                (export \"get-traceparent\" (func (result (option string))))))";
            let canon = "(memory $libc \"memory\") (realloc (func $libc \"realloc\"))";
            lowered += &format!(
                "(core func $get' (canon lower (func $net \"http-get\") {canon}))
                 (core func $post' (canon lower (func $net \"http-post\") {canon}))
                 (core func $trace' (canon lower (func $trace \"get-traceparent\") {canon}))"
            );
            core_imports += "(import \"host\" \"get\" (func $get (param i32 i32 i64 i32 i32)))
                (import \"host\" \"post\" (func $post (param i32 i32 i32 i32 i64 i32 i32)))
                (import \"host\" \"trace\" (func $trace (param i32)))";
            args += "(export \"get\" (func $get')) (export \"post\" (func $post'))
                (export \"trace\" (func $trace'))";
        }
        let text = format!(
            "(component
              (import \"uni:plugin/types@0.1.0\" (instance $types
                (type $r (record (field \"code\" u32) (field \"message\" string) (field \"retryable\" bool)))
                (export \"fn-error\" (type (eq $r)))))
              (alias export $types \"fn-error\" (type $fe))
              {imports}
              (core module $Libc
                (memory (export \"memory\") {pages})
                (global $next (mut i32) (i32.const {heap}))
                (data (i32.const {DATA}) \"{data}\")
                (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) (local $at i32)
                  (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
                  (global.set $next (i32.add (local.get $at) (local.get 3)))
                  (block $fits
                    (br_if $fits (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
                    (br_if $fits (i32.ne (i32.const -1) (memory.grow (i32.add (i32.const 1)
                      (i32.shr_u (i32.sub (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
                        (i32.const 16))))))
                    unreachable)
                  (local.get $at)))
              (core instance $libc (instantiate $Libc))
              {lowered}
              (core module $Main
                (import \"libc\" \"memory\" (memory 1))
                {core_imports}
                (func $ok (param $p i32) (param $l i32) (result i32)
                  (i32.store (i32.const 64) (i32.const 0))
                  (i32.store (i32.const 68) (local.get $p)) (i32.store (i32.const 72) (local.get $l))
                  (i32.const 64))
                (func $err (param $c i32) (param $p i32) (param $l i32) (param $r i32) (result i32)
                  (i32.store (i32.const 64) (i32.const 1)) (i32.store (i32.const 68) (local.get $c))
                  (i32.store (i32.const 72) (local.get $p)) (i32.store (i32.const 76) (local.get $l))
                  (i32.store (i32.const 80) (local.get $r))
                  (i32.const 64))
                {}
                {core})
              (core instance $i (instantiate $Main
                (with \"libc\" (instance $libc)) (with \"host\" (instance {args}))))
              {exports})",
            self.core
        );
        wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{}", text.replace(&data, "…")))
    }
}

/// Echoes the argument stream, which makes a scalar of one argument the identity.
pub(crate) const ECHO: &str = "(call $ok (local.get $a) (local.get $al))";

pub(crate) fn scalar_entry(name: &str, args: &[&str], returns: &str, more: &str) -> String {
    format!(
        r#"{{"kind":"scalar","qname":"{name}","signature":{{"args":[{}],"returns":{}{more}}}}}"#,
        types(args),
        ty(returns)
    )
}

pub(crate) fn aggregate_entry(name: &str, args: &[&str], returns: &str) -> String {
    format!(
        r#"{{"kind":"aggregate","qname":"{name}","signature":{{"args":[{}],"returns":{}}},"state":{}}}"#,
        types(args),
        ty(returns),
        ty("binary")
    )
}

pub(crate) fn procedure_entry(name: &str, args: &[&str], yields: &[&str], mode: &str) -> String {
    format!(
        r#"{{"kind":"procedure","qname":"{name}","args":[{}],"yields":[{}],"mode":"{mode}"}}"#,
        types(args),
        types(yields)
    )
}

fn ty(name: &str) -> String {
    match name {
        "cypher_value" => r#"{"kind":"cypher_value"}"#.into(),
        _ => format!(r#"{{"kind":"primitive","arrow":"{name}"}}"#),
    }
}

fn types(names: &[&str]) -> String {
    names.iter().map(|n| ty(n)).collect::<Vec<_>>().join(",")
}
