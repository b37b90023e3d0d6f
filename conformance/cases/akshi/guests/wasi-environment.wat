;; A component that imports WASI's environment; its `run` returns `ok` if there are no variables, and else traps.
(component
  (import "wasi:cli/environment@0.2.0" (instance $host
    (export "get-environment" (func (result (list (tuple string string)))))))
  (core module $pages (memory (export "memory") 1)
    (global $heap (mut i32) (i32.const 1024))
    (func (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
      (global.set $heap (i32.add (local.get $at) (local.get $size)))
      (local.get $at)))
  (core module $m
    (import "host" "get-environment" (func $get-environment (param i32)))
    (import "host" "memory" (memory 1))
    (func (export "run") (result i32)
      (call $get-environment (i32.const 64))
      (if (i32.load (i32.const 68)) (then unreachable))
      (i32.const 16)))
  (core instance $apart (instantiate $pages))
  (alias core export $apart "memory" (core memory $memory))
  (alias core export $apart "cabi_realloc" (core func $realloc))
  (core func $call (canon lower (func $host "get-environment") (memory $memory) (realloc $realloc)))
  (core instance $i (instantiate $m (with "host" (instance (export "get-environment" (func $call)) (export "memory" (memory $memory))))))
  (func (export "run") (result (result (error string))) (canon lift (core func $i "run") (memory $memory))))
