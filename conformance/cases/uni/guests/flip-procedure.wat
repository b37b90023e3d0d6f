;; A procedure: answers with a good IPC stream of 296 bytes in which one bit is flipped. Which one, six
;; decimal digits say that come in a utf8 column: they are looked for from the end of the stream.
(module
  (memory (export "memory") 1)
  (global $heap (mut i32) (i32.const 4096))
  (data (i32.const 64) "{\"id\":\"a.b\",\"version\":\"1.0.0\",\"capabilities\":[\"procedure\"]}")
  (data (i32.const 160) "{\"entries\":[{\"kind\":\"procedure\",\"qname\":\"a.b.flip\",\"args\":[{\"kind\":\"primitive\",\"arrow\":\"utf8\"}],\"yields\":[{\"kind\":\"primitive\",\"arrow\":\"int64\"}]}]}")
  ;; A good stream of 296 bytes: one int64 column of one row.
  (data (i32.const 1024)
    "\ff\ff\ff\ff\80\00\00\00\10\00\00\00\00\00\0a\00\0c\00\06\00\05\00\08\00\0a\00\00\00\00\01\04\00"
    "\0c\00\00\00\08\00\08\00\00\00\04\00\08\00\00\00\04\00\00\00\01\00\00\00\14\00\00\00\10\00\14\00"
    "\08\00\06\00\07\00\0c\00\00\00\10\00\10\00\00\00\00\00\01\02\10\00\00\00\20\00\00\00\04\00\00\00"
    "\00\00\00\00\06\00\00\00\79\69\65\6c\64\30\00\00\08\00\0c\00\08\00\07\00\08\00\00\00\00\00\00\01"
    "\40\00\00\00\00\00\00\00\ff\ff\ff\ff\88\00\00\00\14\00\00\00\00\00\00\00\0c\00\16\00\06\00\05\00"
    "\08\00\0c\00\0c\00\00\00\00\03\04\00\18\00\00\00\08\00\00\00\00\00\00\00\00\00\0a\00\18\00\0c\00"
    "\04\00\08\00\0a\00\00\00\3c\00\00\00\10\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\02\00\00\00"
    "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\08\00\00\00\00\00\00\00"
    "\00\00\00\00\01\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00"
    "\ff\ff\ff\ff\00\00\00\00")
  (func (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func (export "cabi_post_invoke-procedure") (param i32) (global.set $heap (i32.const 4096)))
  (func $ok (param $at i32) (param $size i32) (result i32)
    (i32.store (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (local.get $at))
    (i32.store (i32.const 24) (local.get $size))
    (i32.const 16))
  (func (export "manifest") (result i32)
    (i32.store (i32.const 16) (i32.const 64))
    (i32.store (i32.const 20) (i32.const 59))
    (i32.const 16))
  (func (export "register") (result i32)
    (i32.store (i32.const 16) (i32.const 160))
    (i32.store (i32.const 20) (i32.const 146))
    (i32.const 16))
  ;; Where the last run of six digits begins.
  (func $digits (param $at i32) (param $size i32) (result i32)
    (local $run i32) (local $digit i32)
    (local.set $size (i32.add (local.get $at) (local.get $size)))
    (loop $next
      (local.set $size (i32.sub (local.get $size) (i32.const 1)))
      (if (i32.lt_u (local.get $size) (local.get $at)) (then (unreachable)))
      (local.set $digit (i32.lt_u (i32.sub (i32.load8_u (local.get $size)) (i32.const 0x30)) (i32.const 10)))
      (local.set $run (i32.mul (i32.add (local.get $run) (i32.const 1)) (local.get $digit)))
      (br_if $next (i32.ne (local.get $run) (i32.const 6))))
    (local.get $size))
  ;; A copy of the good stream with the bit flipped that the six digits at $at name.
  (func $flipped (param $at i32) (result i32)
    (local $bit i32) (local $count i32) (local $byte i32)
    (loop $next
      (local.set $bit (i32.add (i32.mul (local.get $bit) (i32.const 10)) (i32.sub (i32.load8_u (i32.add (local.get $at) (local.get $count))) (i32.const 0x30))))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $count) (i32.const 6))))
    (memory.copy (i32.const 2048) (i32.const 1024) (i32.const 296))
    (local.set $byte (i32.add (i32.const 2048) (i32.shr_u (local.get $bit) (i32.const 3))))
    (i32.store8 (local.get $byte)
      (i32.xor (i32.load8_u (local.get $byte)) (i32.shl (i32.const 1) (i32.and (local.get $bit) (i32.const 7)))))
    (call $ok (i32.const 2048) (i32.const 296)))
  (func (export "invoke-procedure") (param $name i32) (param $name-size i32) (param $at i32) (param $size i32) (result i32)
    (call $flipped (call $digits (local.get $at) (local.get $size)))))
