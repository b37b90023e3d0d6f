;; Traps in the way that its first argument names: "divide", "memory", "indirect" or "truncate"; else it returns `ok`.
(module
  (import "pie:inferlet/core" "get-arguments" (func $get-arguments (param i32)))
  (type $other (func (param i32)))
  (memory (export "memory") 1 1)
  (table 1 funcref)
  (elem (i32.const 0) $nothing)
  (global $free (mut i32) (i32.const 1024))
  (func $nothing)

  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at
      (i32.and
        (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
    (global.set $free (i32.add (local.get $at) (local.get $size)))
    (local.get $at))

  (func (export "pie:inferlet/run#run") (result i32)
    (local $letter i32)
    (call $get-arguments (i32.const 16))
    (local.set $letter (i32.load8_u (i32.load (i32.load (i32.const 16)))))
    (if (i32.eq (local.get $letter) (i32.const 100)) ;; d
      (then (drop (i32.div_s (i32.const 1) (i32.load (i32.const 512))))))
    (if (i32.eq (local.get $letter) (i32.const 109)) ;; m
      (then (drop (i32.load (i32.const 65536)))))
    (if (i32.eq (local.get $letter) (i32.const 105)) ;; i
      (then (call_indirect (type $other) (i32.const 1) (i32.const 0))))
    (if (i32.eq (local.get $letter) (i32.const 116)) ;; t
      (then (drop (i32.trunc_f64_s (f64.const nan)))))
    (i32.const 512)))
