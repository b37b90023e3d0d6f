;; Tables: `a.b.tiny` grows one by 10 elements, `a.b.many` by 5000, `a.b.huge` by 1000000; the answer is what `table.grow` gave.
(module
  (memory (export "memory") 1)
  (table $table 1 funcref)
  (global $heap (mut i32) (i32.const 4096))
  (data (i32.const 64) "{\"id\":\"a.b\",\"version\":\"1.0.0\",\"capabilities\":[\"scalar-fn\"]}")
  (data (i32.const 160) "{\"entries\":[{\"kind\":\"scalar\",\"qname\":\"a.b.tiny\",\"signature\":{\"args\":[{\"kind\":\"primitive\",\"arrow\":\"int64\"}],\"returns\":{\"kind\":\"primitive\",\"arrow\":\"int64\"}}},{\"kind\":\"scalar\",\"qname\":\"a.b.huge\",\"signature\":{\"args\":[{\"kind\":\"primitive\",\"arrow\":\"int64\"}],\"returns\":{\"kind\":\"primitive\",\"arrow\":\"int64\"}}},{\"kind\":\"scalar\",\"qname\":\"a.b.many\",\"signature\":{\"args\":[{\"kind\":\"primitive\",\"arrow\":\"int64\"}],\"returns\":{\"kind\":\"primitive\",\"arrow\":\"int64\"}}}]}")
  ;; A good stream: one int64 column of one row, whose value is at 272.
  (data (i32.const 1024)
    "\ff\ff\ff\ff\78\00\00\00\10\00\00\00\00\00\0a\00\0c\00\06\00\05\00\08\00\0a\00\00\00\00\01\04\00"
    "\0c\00\00\00\08\00\08\00\00\00\04\00\08\00\00\00\04\00\00\00\01\00\00\00\14\00\00\00\10\00\14\00"
    "\08\00\06\00\07\00\0c\00\00\00\10\00\10\00\00\00\00\00\01\02\10\00\00\00\1c\00\00\00\04\00\00\00"
    "\00\00\00\00\01\00\00\00\76\00\00\00\08\00\0c\00\08\00\07\00\08\00\00\00\00\00\00\01\40\00\00\00"
    "\ff\ff\ff\ff\88\00\00\00\14\00\00\00\00\00\00\00\0c\00\16\00\06\00\05\00\08\00\0c\00\0c\00\00\00"
    "\00\03\04\00\18\00\00\00\08\00\00\00\00\00\00\00\00\00\0a\00\18\00\0c\00\04\00\08\00\0a\00\00\00"
    "\3c\00\00\00\10\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\02\00\00\00\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\08\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00"
    "\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\ff\ff\ff\ff\00\00\00\00")
  (func (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func (export "cabi_post_invoke-scalar") (param i32) (global.set $heap (i32.const 4096)))
  (func $text (param $at i32) (param $size i32) (result i32)
    (i32.store (i32.const 16) (local.get $at))
    (i32.store (i32.const 20) (local.get $size))
    (i32.const 16))
  (func (export "manifest") (result i32) (call $text (i32.const 64) (i32.const 59)))
  (func (export "register") (result i32) (call $text (i32.const 160) (i32.const 445)))
  (func (export "invoke-scalar") (param $name i32) (param $name-size i32) (param $at i32) (param $size i32) (result i32)
    (local $more i32)
    (local.set $more (i32.const 10))
    (if (i32.eq (i32.load8_u offset=4 (local.get $name)) (i32.const 0x6d)) (then (local.set $more (i32.const 5000)))) ;; m
    (if (i32.eq (i32.load8_u offset=4 (local.get $name)) (i32.const 0x68)) (then (local.set $more (i32.const 1000000)))) ;; h
    (i64.store (i32.const 1296) (i64.extend_i32_s (table.grow $table (ref.null func) (local.get $more))))
    (i32.store (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (i32.const 1024))
    (i32.store (i32.const 24) (i32.const 288))
    (i32.const 16)))
