;; Aggregates that tell what a host did with them. All take (int64, binary) and give their state as the value, Binary.
;;   c.d.trace, c.d.again   write every call down: a state is operations in a row. An operation is N (new), U (update) or M
;;                          (merge), the name that was called and the stream that came with the call, each after its length
;;                          in four little-endian bytes
;;   c.d.raw                keeps any bytes: 00 ff 00 when new, then the second column's last value of an update, or the last
;;                          state of a merge
;; `invoke-scalar` is there for hosts that take every plugin for a scalar one, too; it gives an fn-error.
;; What a host sends and `raw` can't read is an fn-error with code 0x101, or a trap. "plans.wat" is the same plugin by
;; the name a.b.
(component
  (import "uni:plugin/types@0.1.0" (instance $types
    (type $record (record (field "code" u32) (field "message" string) (field "retryable" bool)))
    (export "fn-error" (type (eq $record)))))
  (alias export $types "fn-error" (type $fn-error))
  (core module $module
    (memory (export "memory") 2)
    (global $heap (mut i32) (i32.const 8192))
    ;; What `last` found: the last value of a column.
    (global $found (mut i32) (i32.const 0)) ;; whether there is one
    (global $value (mut i32) (i32.const 0))
    (global $length (mut i32) (i32.const 0))

    (data (i32.const 64) "{\"id\":\"c.d\",\"version\":\"1.0.0\",\"capabilities\":[\"aggregate-fn\"]}")
    (data (i32.const 160) "{\"entries\":[{\"kind\":\"aggregate\",\"qname\":\"c.d.trace\",\"signature\":{\"args\":[{\"kind\":\"primitive\",\"arrow\":\"int64\"},{\"kind\":\"primitive\",\"arrow\":\"binary\"}],\"returns\":{\"kind\":\"primitive\",\"arrow\":\"binary\"}},\"state\":{\"kind\":\"primitive\",\"arrow\":\"binary\"}},{\"kind\":\"aggregate\",\"qname\":\"c.d.again\",\"signature\":{\"args\":[{\"kind\":\"primitive\",\"arrow\":\"int64\"},{\"kind\":\"primitive\",\"arrow\":\"binary\"}],\"returns\":{\"kind\":\"primitive\",\"arrow\":\"binary\"}},\"state\":{\"kind\":\"primitive\",\"arrow\":\"binary\"}},{\"kind\":\"aggregate\",\"qname\":\"c.d.raw\",\"signature\":{\"args\":[{\"kind\":\"primitive\",\"arrow\":\"int64\"},{\"kind\":\"primitive\",\"arrow\":\"binary\"}],\"returns\":{\"kind\":\"primitive\",\"arrow\":\"binary\"}},\"state\":{\"kind\":\"primitive\",\"arrow\":\"binary\"}}]}")
    (data (i32.const 1472) "\00\ff\00")
    (data (i32.const 1488) "not an Arrow IPC stream that `raw` reads")
    ;; An IPC stream of one Binary, up to its data: body length at 160, data length at 248, end offset at 284.
    (data (i32.const 2560)
      "\ff\ff\ff\ff\70\00\00\00\10\00\00\00\00\00\0a\00\0c\00\06\00\05\00\08\00\0a\00\00\00\00\01\04\00"
      "\0c\00\00\00\08\00\08\00\00\00\04\00\08\00\00\00\04\00\00\00\01\00\00\00\14\00\00\00\10\00\14\00"
      "\08\00\06\00\07\00\0c\00\00\00\10\00\10\00\00\00\00\00\01\04\10\00\00\00\18\00\00\00\04\00\00\00"
      "\00\00\00\00\01\00\00\00\76\00\00\00\04\00\04\00\04\00\00\00\00\00\00\00\ff\ff\ff\ff\98\00\00\00"
      "\14\00\00\00\00\00\00\00\0c\00\16\00\06\00\05\00\08\00\0c\00\0c\00\00\00\00\03\04\00\18\00\00\00"
      "\00\00\00\00\00\00\00\00\00\00\0a\00\18\00\0c\00\04\00\08\00\0a\00\00\00\4c\00\00\00\10\00\00\00"
      "\01\00\00\00\00\00\00\00\00\00\00\00\03\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00"
      "\00\00\00\00\00\00\00\00\08\00\00\00\00\00\00\00\08\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00"
      "\00\00\00\00\01\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")

    (func $alloc (param $size i32) (result i32)
      (local $at i32) (local $need i32)
      (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
      (global.set $heap (i32.add (local.get $at) (local.get $size)))
      (local.set $need (i32.sub (i32.shr_u (i32.add (global.get $heap) (i32.const 65535)) (i32.const 16)) (memory.size)))
      (if (i32.gt_s (local.get $need) (i32.const 0))
        (then (if (i32.eq (memory.grow (local.get $need)) (i32.const -1)) (then (unreachable)))))
      (local.get $at))
    (func (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (call $alloc (local.get $size)))
      (memory.copy (local.get $at) (local.get $old) (local.get $old-size))
      (local.get $at))
    (func (export "cabi_post_agg-new") (export "cabi_post_agg-update") (export "cabi_post_agg-merge") (export "cabi_post_agg-evaluate") (param i32)
      (global.set $heap (i32.const 8192)))

    ;; Results lie at 16.
    (func $text (param $at i32) (param $size i32) (result i32)
      (i32.store (i32.const 16) (local.get $at))
      (i32.store (i32.const 20) (local.get $size))
      (i32.const 16))
    (func $ok (param $at i32) (param $size i32) (result i32)
      (i32.store (i32.const 16) (i32.const 0))
      (i32.store (i32.const 20) (local.get $at))
      (i32.store (i32.const 24) (local.get $size))
      (i32.const 16))
    (func $unreadable (result i32)
      (i32.store (i32.const 16) (i32.const 1))
      (i32.store (i32.const 20) (i32.const 0x101))
      (i32.store (i32.const 24) (i32.const 1488))
      (i32.store (i32.const 28) (i32.const 40))
      (i32.store (i32.const 32) (i32.const 0))
      (i32.const 16))

    ;; Flatbuffers: where a table keeps a field, 0 if it does not; where an offset leads.
    (func $field (param $table i32) (param $slot i32) (result i32)
      (local $vtable i32) (local $place i32)
      (local.set $vtable (i32.sub (local.get $table) (i32.load (local.get $table))))
      (local.set $place (i32.add (i32.const 4) (i32.mul (local.get $slot) (i32.const 2))))
      (if (i32.ge_u (local.get $place) (i32.load16_u (local.get $vtable))) (then (return (i32.const 0))))
      (local.set $place (i32.load16_u (i32.add (local.get $vtable) (local.get $place))))
      (if (i32.eqz (local.get $place)) (then (return (i32.const 0))))
      (i32.add (local.get $table) (local.get $place)))
    (func $follow (param $at i32) (result i32)
      (if (i32.eqz (local.get $at)) (then (unreachable)))
      (i32.add (local.get $at) (i32.load (local.get $at))))

    ;; Where buffer $index of a batch lies, given its vector and its body; traps when it lies outside.
    (func $buffer (param $buffers i32) (param $index i32) (param $body i32) (param $size i64) (result i32)
      (local $at i32)
      (if (i32.ge_u (local.get $index) (i32.load (local.get $buffers))) (then (unreachable)))
      (local.set $at (i32.add (local.get $buffers) (i32.add (i32.const 4) (i32.mul (local.get $index) (i32.const 16)))))
      (if (i64.gt_u (i64.load (local.get $at)) (local.get $size)) (then (unreachable)))
      (if (i64.gt_u (i64.load offset=8 (local.get $at)) (i64.sub (local.get $size) (i64.load (local.get $at)))) (then (unreachable)))
      (i32.add (local.get $body) (i32.wrap_i64 (i64.load (local.get $at)))))

    ;; Finds the last value of a Binary column, the last of a stream of one batch; its offsets are in this buffer. Gives 0 when
    ;; there is no such column.
    (func $last (param $at i32) (param $size i32) (param $column i32) (param $offsets i32) (result i32)
      (local $end i32) (local $size-of i32) (local $message i32) (local $header i32) (local $type i32) (local $body-size i64)
      (local $body i32) (local $vector i32) (local $rows i32) (local $schemas i32) (local $batches i32)
      (global.set $found (i32.const 0))
      (local.set $end (i32.add (local.get $at) (local.get $size)))
      (block $done
        (loop $next
          (br_if $done (i32.eq (local.get $at) (local.get $end)))
          (if (i32.lt_u (i32.sub (local.get $end) (local.get $at)) (i32.const 8)) (then (return (i32.const 0))))
          (if (i32.ne (i32.load (local.get $at)) (i32.const -1)) (then (return (i32.const 0))))
          (local.set $size-of (i32.load offset=4 (local.get $at)))
          (br_if $done (i32.eqz (local.get $size-of)))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (if (i32.gt_u (local.get $size-of) (i32.sub (local.get $end) (local.get $at))) (then (return (i32.const 0))))
          (local.set $message (call $follow (local.get $at)))
          (local.set $type (i32.load8_u (call $field (local.get $message) (i32.const 1))))
          (local.set $header (call $follow (call $field (local.get $message) (i32.const 2))))
          (local.set $body-size (i64.const 0))
          (local.set $body (call $field (local.get $message) (i32.const 3)))
          (if (local.get $body) (then (local.set $body-size (i64.load (local.get $body)))))
          (local.set $body (i32.add (local.get $at) (local.get $size-of)))
          (if (i64.gt_u (local.get $body-size) (i64.extend_i32_u (i32.sub (local.get $end) (local.get $body)))) (then (return (i32.const 0))))
          (local.set $at (i32.add (local.get $body) (i32.wrap_i64 (local.get $body-size))))
          (if (i32.eq (local.get $type) (i32.const 1)) ;; Schema
            (then
              (local.set $vector (call $follow (call $field (local.get $header) (i32.const 1))))
              (if (i32.ne (i32.load (local.get $vector)) (i32.add (local.get $column) (i32.const 1))) (then (return (i32.const 0))))
              (local.set $vector (i32.add (local.get $vector) (i32.add (i32.const 4) (i32.mul (local.get $column) (i32.const 4)))))
              (local.set $vector (call $follow (local.get $vector)))
              (if (i32.ne (i32.load8_u (call $field (local.get $vector) (i32.const 2))) (i32.const 4)) (then (return (i32.const 0)))) ;; Binary
              (local.set $schemas (i32.const 1))
              (br $next)))
          (if (i32.ne (local.get $type) (i32.const 3)) (then (return (i32.const 0)))) ;; RecordBatch
          (if (i32.or (local.get $batches) (i32.eqz (local.get $schemas))) (then (return (i32.const 0))))
          (local.set $batches (i32.const 1))
          (local.set $rows (i32.const 0))
          (if (call $field (local.get $header) (i32.const 0))
            (then (local.set $rows (i32.wrap_i64 (i64.load (call $field (local.get $header) (i32.const 0)))))))
          (br_if $next (i32.eqz (local.get $rows)))
          (local.set $vector (call $follow (call $field (local.get $header) (i32.const 2))))
          (local.set $type (call $buffer (local.get $vector) (local.get $offsets) (local.get $body) (local.get $body-size)))
          (local.set $type (i32.add (local.get $type) (i32.mul (i32.sub (local.get $rows) (i32.const 1)) (i32.const 4))))
          (global.set $length (i32.sub (i32.load offset=4 (local.get $type)) (i32.load (local.get $type))))
          (global.set $value (call $buffer (local.get $vector) (i32.add (local.get $offsets) (i32.const 1)) (local.get $body) (local.get $body-size)))
          (global.set $value (i32.add (global.get $value) (i32.load (local.get $type))))
          (global.set $found (i32.const 1))
          (br $next)))
      (local.get $batches))

    (func $is-raw (param $name i32) (param $size i32) (result i32)
      (i32.eq (i32.load8_u (i32.sub (i32.add (local.get $name) (local.get $size)) (i32.const 1))) (i32.const 0x77))) ;; w

    ;; The state with one more operation.
    (func $trace (param $state i32) (param $size i32) (param $tag i32) (param $name i32) (param $name-size i32) (param $with i32) (param $with-size i32) (result i32)
      (local $new i32) (local $at i32)
      (local.set $new (call $alloc (i32.add (i32.add (local.get $size) (i32.const 9)) (i32.add (local.get $name-size) (local.get $with-size)))))
      (memory.copy (local.get $new) (local.get $state) (local.get $size))
      (local.set $at (i32.add (local.get $new) (local.get $size)))
      (i32.store8 (local.get $at) (local.get $tag))
      (i32.store offset=1 (local.get $at) (local.get $name-size))
      (memory.copy (i32.add (local.get $at) (i32.const 5)) (local.get $name) (local.get $name-size))
      (local.set $at (i32.add (local.get $at) (i32.add (i32.const 5) (local.get $name-size))))
      (i32.store (local.get $at) (local.get $with-size))
      (memory.copy (i32.add (local.get $at) (i32.const 4)) (local.get $with) (local.get $with-size))
      (local.set $at (i32.add (local.get $at) (i32.add (i32.const 4) (local.get $with-size))))
      (call $ok (local.get $new) (i32.sub (local.get $at) (local.get $new))))

    ;; The last value of a column, or the state where there is none.
    (func $replace (param $state i32) (param $size i32) (param $with i32) (param $with-size i32) (param $column i32) (param $offsets i32) (result i32)
      (if (i32.eqz (call $last (local.get $with) (local.get $with-size) (local.get $column) (local.get $offsets)))
        (then (return (call $unreadable))))
      (if (global.get $found) (then (return (call $ok (global.get $value) (global.get $length)))))
      (call $ok (local.get $state) (local.get $size)))

    (func (export "manifest") (result i32) (call $text (i32.const 64) (i32.const 62)))
    (func (export "register") (result i32) (call $text (i32.const 160) (i32.const 710)))

    (func (export "agg-new") (param $name i32) (param $name-size i32) (result i32)
      (if (call $is-raw (local.get $name) (local.get $name-size)) (then (return (call $ok (i32.const 1472) (i32.const 3)))))
      (call $trace (i32.const 0) (i32.const 0) (i32.const 0x4e) (local.get $name) (local.get $name-size) (i32.const 0) (i32.const 0)))

    (func (export "agg-update") (param $name i32) (param $name-size i32) (param $state i32) (param $size i32) (param $values i32) (param $values-size i32) (result i32)
      (if (call $is-raw (local.get $name) (local.get $name-size))
        (then (return (call $replace (local.get $state) (local.get $size) (local.get $values) (local.get $values-size) (i32.const 1) (i32.const 3)))))
      (call $trace (local.get $state) (local.get $size) (i32.const 0x55) (local.get $name) (local.get $name-size) (local.get $values) (local.get $values-size)))

    (func (export "agg-merge") (param $name i32) (param $name-size i32) (param $state i32) (param $size i32) (param $others i32) (param $others-size i32) (result i32)
      (if (call $is-raw (local.get $name) (local.get $name-size))
        (then (return (call $replace (local.get $state) (local.get $size) (local.get $others) (local.get $others-size) (i32.const 0) (i32.const 1)))))
      (call $trace (local.get $state) (local.get $size) (i32.const 0x4d) (local.get $name) (local.get $name-size) (local.get $others) (local.get $others-size)))

    (func (export "agg-evaluate") (param $name i32) (param $name-size i32) (param $state i32) (param $size i32) (result i32)
      (local $at i32) (local $padded i32)
      (local.set $padded (i32.and (i32.add (local.get $size) (i32.const 7)) (i32.const -8)))
      (local.set $at (call $alloc (i32.add (i32.const 296) (local.get $padded))))
      (memory.copy (local.get $at) (i32.const 2560) (i32.const 288))
      (i64.store offset=160 (local.get $at) (i64.extend_i32_u (i32.add (i32.const 8) (local.get $padded))))
      (i64.store offset=248 (local.get $at) (i64.extend_i32_u (local.get $size)))
      (i32.store offset=284 (local.get $at) (local.get $size))
      (memory.fill (i32.add (local.get $at) (i32.const 288)) (i32.const 0) (local.get $padded))
      (memory.copy (i32.add (local.get $at) (i32.const 288)) (local.get $state) (local.get $size))
      (i64.store (i32.add (local.get $at) (i32.add (i32.const 288) (local.get $padded))) (i64.const 0xffffffff))
      (call $ok (local.get $at) (i32.add (i32.const 296) (local.get $padded))))

    (func (export "invoke-scalar") (param i32 i32 i32 i32) (result i32) (call $unreadable)))
  (core instance $guest (instantiate $module))
  (alias core export $guest "memory" (core memory $memory))
  (alias core export $guest "cabi_realloc" (core func $realloc))
  (func (export "manifest") (result string) (canon lift (core func $guest "manifest") (memory $memory)))
  (func (export "register") (result string) (canon lift (core func $guest "register") (memory $memory)))
  (func (export "invoke-scalar") (param "qname" string) (param "ipc-bytes" (list u8)) (result (result (list u8) (error $fn-error)))
    (canon lift (core func $guest "invoke-scalar") (memory $memory) (realloc $realloc)))
  (func (export "agg-new") (param "qname" string) (result (result (list u8) (error $fn-error)))
    (canon lift (core func $guest "agg-new") (memory $memory) (realloc $realloc) (post-return (core func $guest "cabi_post_agg-new"))))
  (func (export "agg-update") (param "qname" string) (param "state" (list u8)) (param "values-ipc" (list u8)) (result (result (list u8) (error $fn-error)))
    (canon lift (core func $guest "agg-update") (memory $memory) (realloc $realloc) (post-return (core func $guest "cabi_post_agg-update"))))
  (func (export "agg-merge") (param "qname" string) (param "state" (list u8)) (param "other-states-ipc" (list u8)) (result (result (list u8) (error $fn-error)))
    (canon lift (core func $guest "agg-merge") (memory $memory) (realloc $realloc) (post-return (core func $guest "cabi_post_agg-merge"))))
  (func (export "agg-evaluate") (param "qname" string) (param "state" (list u8)) (result (result (list u8) (error $fn-error)))
    (canon lift (core func $guest "agg-evaluate") (memory $memory) (realloc $realloc) (post-return (core func $guest "cabi_post_agg-evaluate")))))
