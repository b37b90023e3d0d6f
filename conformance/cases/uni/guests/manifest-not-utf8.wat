;; A manifest that is JSON but for two bytes that are not UTF-8.
(module
  (memory (export "memory") 1)
  (data (i32.const 64) "{\"id\":\"a.b\",\"version\":\"1.0.0\",\"description\":\"\ff\fe\"}")
  (data (i32.const 160) "{\"entries\":[]}")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func $text (param $at i32) (param $size i32) (result i32)
    (i32.store (i32.const 16) (local.get $at))
    (i32.store (i32.const 20) (local.get $size))
    (i32.const 16))
  (func (export "manifest") (result i32) (call $text (i32.const 64) (i32.const 49)))
  (func (export "register") (result i32) (call $text (i32.const 160) (i32.const 14)))
  (func (export "invoke-scalar") (param i32 i32 i32 i32) (result i32) (unreachable)))
