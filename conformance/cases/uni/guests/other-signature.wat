;; A scalar plugin whose invoke-scalar answers with bare bytes, not with a result.
(component
  (import "uni:plugin/types@0.1.0" (instance $types
    (type $record (record (field "code" u32) (field "message" string) (field "retryable" bool)))
    (export "fn-error" (type (eq $record)))))
  (alias export $types "fn-error" (type $fn-error))
  (core module $module
    (memory (export "memory") 1)
    (data (i32.const 64) "{\"id\":\"a.b\",\"version\":\"1.0.0\",\"capabilities\":[\"scalar-fn\"]}")
    (data (i32.const 192) "{\"entries\":[{\"kind\":\"scalar\",\"qname\":\"a.b.f\",\"signature\":{\"args\":[{\"kind\":\"primitive\",\"arrow\":\"int64\"}],\"returns\":{\"kind\":\"primitive\",\"arrow\":\"int64\"}}}]}")
    ;; An IPC stream of one int64 column of one row; the value, 7, is at 280.
    (data (i32.const 1024)
      "\ff\ff\ff\ff\80\00\00\00\10\00\00\00\00\00\0a\00\0c\00\06\00\05\00\08\00\0a\00\00\00\00\01\04\00"
      "\0c\00\00\00\08\00\08\00\00\00\04\00\08\00\00\00\04\00\00\00\01\00\00\00\14\00\00\00\10\00\14\00"
      "\08\00\06\00\07\00\0c\00\00\00\10\00\10\00\00\00\00\00\01\02\10\00\00\00\20\00\00\00\04\00\00\00"
      "\00\00\00\00\06\00\00\00\79\69\65\6c\64\30\00\00\08\00\0c\00\08\00\07\00\08\00\00\00\00\00\00\01"
      "\40\00\00\00\00\00\00\00\ff\ff\ff\ff\88\00\00\00\14\00\00\00\00\00\00\00\0c\00\16\00\06\00\05\00"
      "\08\00\0c\00\0c\00\00\00\00\03\04\00\18\00\00\00\08\00\00\00\00\00\00\00\00\00\0a\00\18\00\0c\00"
      "\04\00\08\00\0a\00\00\00\3c\00\00\00\10\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\02\00\00\00"
      "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\08\00\00\00\00\00\00\00"
      "\00\00\00\00\01\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\07\00\00\00\00\00\00\00"
      "\ff\ff\ff\ff\00\00\00\00")
    (global $heap (mut i32) (i32.const 4096))
    (func (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
      (global.set $heap (i32.add (local.get $at) (local.get $size)))
      (local.get $at))
    (func $text (param $at i32) (param $size i32) (result i32)
      (i32.store (i32.const 16) (local.get $at))
      (i32.store (i32.const 20) (local.get $size))
      (i32.const 16))
    (func $ok (param $at i32) (param $size i32) (result i32)
      (i32.store (i32.const 32) (local.get $at))
      (i32.store (i32.const 36) (local.get $size))
      (i32.const 32))
    (func (export "manifest") (result i32) (call $text (i32.const 64) (i32.const 59)))
    (func (export "register") (result i32) (call $text (i32.const 192) (i32.const 154)))
    (func (export "invoke-scalar") (param i32 i32 i32 i32) (result i32) (call $ok (i32.const 1024) (i32.const 296))))
  (core instance $guest (instantiate $module))
  (alias core export $guest "memory" (core memory $memory))
  (alias core export $guest "cabi_realloc" (core func $realloc))
  (func (export "manifest") (result string) (canon lift (core func $guest "manifest") (memory $memory)))
  (func (export "register") (result string) (canon lift (core func $guest "register") (memory $memory)))
  (func (export "invoke-scalar") (param "qname" string) (param "ipc-bytes" (list u8)) (result (list u8))
    (canon lift (core func $guest "invoke-scalar") (memory $memory) (realloc $realloc))))
