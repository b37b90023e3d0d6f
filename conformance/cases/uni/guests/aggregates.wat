;; Two aggregates that really read what the host sends them.
;;   a.b.sum   adds int64 values exactly; its state is the sum in 128 bits, little-endian; nulls add nothing
;;   a.b.total the same, but a null is an error: code 0x107
;;   a.b.list  lists int64 values in the order they came, as text: "1 2 null "; its state is that text
;; A state is merged row by row. Anything but one batch of one column of the right type (int64 values, Binary states) is an
;; fn-error with code 0x101 and up; what cannot even be walked traps.
(module
  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const 8192))
  ;; What `open` found in the last stream.
  (global $rows (mut i32) (i32.const 0))
  (global $validity (mut i32) (i32.const 0)) ;; 0: no bitmap
  (global $first (mut i32) (i32.const 0))    ;; values, or offsets
  (global $second (mut i32) (i32.const 0))   ;; data

  (data (i32.const 64) "{\"id\":\"a.b\",\"version\":\"1.0.0\",\"capabilities\":[\"aggregate-fn\"]}")
  (data (i32.const 160) "{\"entries\":[{\"kind\":\"aggregate\",\"qname\":\"a.b.sum\",\"signature\":{\"args\":[{\"kind\":\"primitive\",\"arrow\":\"int64\"}],\"returns\":{\"kind\":\"primitive\",\"arrow\":\"int64\"}},\"state\":{\"kind\":\"primitive\",\"arrow\":\"binary\"}},{\"kind\":\"aggregate\",\"qname\":\"a.b.total\",\"signature\":{\"args\":[{\"kind\":\"primitive\",\"arrow\":\"int64\"}],\"returns\":{\"kind\":\"primitive\",\"arrow\":\"int64\"}},\"state\":{\"kind\":\"primitive\",\"arrow\":\"binary\"}},{\"kind\":\"aggregate\",\"qname\":\"a.b.list\",\"signature\":{\"args\":[{\"kind\":\"primitive\",\"arrow\":\"int64\"}],\"returns\":{\"kind\":\"primitive\",\"arrow\":\"utf8\"}},\"state\":{\"kind\":\"primitive\",\"arrow\":\"binary\"}}]}")
  (data (i32.const 1024) "not an Arrow IPC stream")
  (data (i32.const 1088) "not one batch of one column")
  (data (i32.const 1152) "the column has another type")
  (data (i32.const 1216) "a null state")
  (data (i32.const 1280) "a state that this plugin never made")
  (data (i32.const 1344) "the sum does not fit int64")
  (data (i32.const 1408) "a null among the values")
  ;; Address and length of each message.
  (data (i32.const 1472) "\00\04\00\00\17\00\00\00\40\04\00\00\1b\00\00\00\80\04\00\00\1b\00\00\00\c0\04\00\00\0c\00\00\00\00\05\00\00\23\00\00\00\40\05\00\00\1a\00\00\00\80\05\00\00\17\00\00\00")
  ;; An IPC stream of one int64; the value is at 272.
  (data (i32.const 2048)
    "\ff\ff\ff\ff\78\00\00\00\10\00\00\00\00\00\0a\00\0c\00\06\00\05\00\08\00\0a\00\00\00\00\01\04\00"
    "\0c\00\00\00\08\00\08\00\00\00\04\00\08\00\00\00\04\00\00\00\01\00\00\00\14\00\00\00\10\00\14\00"
    "\08\00\06\00\07\00\0c\00\00\00\10\00\10\00\00\00\00\00\01\02\10\00\00\00\1c\00\00\00\04\00\00\00"
    "\00\00\00\00\01\00\00\00\76\00\00\00\08\00\0c\00\08\00\07\00\08\00\00\00\00\00\00\01\40\00\00\00"
    "\ff\ff\ff\ff\88\00\00\00\14\00\00\00\00\00\00\00\0c\00\16\00\06\00\05\00\08\00\0c\00\0c\00\00\00"
    "\00\03\04\00\18\00\00\00\08\00\00\00\00\00\00\00\00\00\0a\00\18\00\0c\00\04\00\08\00\0a\00\00\00"
    "\3c\00\00\00\10\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\02\00\00\00\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\08\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00"
    "\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\ff\ff\ff\ff\00\00\00\00")
  ;; An IPC stream of one text, up to its data: body length at 160, data length at 248, end offset at 284.
  (data (i32.const 2560)
    "\ff\ff\ff\ff\70\00\00\00\10\00\00\00\00\00\0a\00\0c\00\06\00\05\00\08\00\0a\00\00\00\00\01\04\00"
    "\0c\00\00\00\08\00\08\00\00\00\04\00\08\00\00\00\04\00\00\00\01\00\00\00\14\00\00\00\10\00\14\00"
    "\08\00\06\00\07\00\0c\00\00\00\10\00\10\00\00\00\00\00\01\05\10\00\00\00\18\00\00\00\04\00\00\00"
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
  (func $reset (export "cabi_post_agg-new") (export "cabi_post_agg-update") (export "cabi_post_agg-merge") (export "cabi_post_agg-evaluate") (param i32)
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
  (func $err (param $number i32) (result i32)
    (local $entry i32)
    (local.set $entry (i32.add (i32.const 1464) (i32.mul (local.get $number) (i32.const 8))))
    (i32.store (i32.const 16) (i32.const 1))
    (i32.store (i32.const 20) (i32.add (local.get $number) (i32.const 0x100)))
    (i32.store (i32.const 24) (i32.load (local.get $entry)))
    (i32.store (i32.const 28) (i32.load offset=4 (local.get $entry)))
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

  ;; The kind of a column: 1 int64, 2 Binary, 0 anything else.
  (func $kind (param $column i32) (result i32)
    (local $type i32) (local $int i32) (local $width i32) (local $signed i32)
    (local.set $type (i32.load8_u (call $field (local.get $column) (i32.const 2))))
    (if (i32.eq (local.get $type) (i32.const 4)) (then (return (i32.const 2))))
    (if (i32.ne (local.get $type) (i32.const 2)) (then (return (i32.const 0))))
    (if (call $field (local.get $column) (i32.const 4)) (then (return (i32.const 0)))) ;; dictionary keys
    (local.set $int (call $follow (call $field (local.get $column) (i32.const 3))))
    (local.set $width (call $field (local.get $int) (i32.const 0)))
    (local.set $signed (call $field (local.get $int) (i32.const 1)))
    (if (i32.eqz (local.get $width)) (then (return (i32.const 0))))
    (if (i32.eqz (local.get $signed)) (then (return (i32.const 0))))
    (i32.and (i32.eq (i32.load (local.get $width)) (i32.const 64)) (i32.load8_u (local.get $signed))))

  ;; Where buffer $index of a batch lies, given its vector and its body; traps when it lies outside.
  (func $buffer (param $buffers i32) (param $index i32) (param $body i32) (param $size i64) (result i32)
    (local $at i32)
    (if (i32.ge_u (local.get $index) (i32.load (local.get $buffers))) (then (unreachable)))
    (local.set $at (i32.add (local.get $buffers) (i32.add (i32.const 4) (i32.mul (local.get $index) (i32.const 16)))))
    (if (i64.gt_u (i64.load (local.get $at)) (local.get $size)) (then (unreachable)))
    (if (i64.gt_u (i64.load offset=8 (local.get $at)) (i64.sub (local.get $size) (i64.load (local.get $at)))) (then (unreachable)))
    (i32.add (local.get $body) (i32.wrap_i64 (i64.load (local.get $at)))))

  ;; Reads a stream of one batch of one column of this kind; gives 0, or the number of an error.
  (func $open (param $at i32) (param $size i32) (param $wanted i32) (result i32)
    (local $end i32) (local $length i32) (local $message i32) (local $header i32) (local $type i32) (local $body-size i64)
    (local $body i32) (local $vector i32) (local $columns i32) (local $kind i32) (local $batches i32) (local $nodes i32)
    (local.set $end (i32.add (local.get $at) (local.get $size)))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $at) (local.get $end)))
        (if (i32.lt_u (i32.sub (local.get $end) (local.get $at)) (i32.const 8)) (then (return (i32.const 1))))
        (if (i32.ne (i32.load (local.get $at)) (i32.const -1)) (then (return (i32.const 1))))
        (local.set $length (i32.load offset=4 (local.get $at)))
        (br_if $done (i32.eqz (local.get $length)))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (if (i32.gt_u (local.get $length) (i32.sub (local.get $end) (local.get $at))) (then (return (i32.const 1))))
        (local.set $message (call $follow (local.get $at)))
        (local.set $type (i32.load8_u (call $field (local.get $message) (i32.const 1))))
        (local.set $header (call $follow (call $field (local.get $message) (i32.const 2))))
        (local.set $body-size (i64.const 0))
        (local.set $body (call $field (local.get $message) (i32.const 3)))
        (if (local.get $body) (then (local.set $body-size (i64.load (local.get $body)))))
        (local.set $body (i32.add (local.get $at) (local.get $length)))
        (if (i64.gt_u (local.get $body-size) (i64.extend_i32_u (i32.sub (local.get $end) (local.get $body)))) (then (return (i32.const 1))))
        (local.set $at (i32.add (local.get $body) (i32.wrap_i64 (local.get $body-size))))
        (if (i32.eq (local.get $type) (i32.const 1)) ;; Schema
          (then
            (local.set $vector (call $follow (call $field (local.get $header) (i32.const 1))))
            (local.set $columns (i32.load (local.get $vector)))
            (if (i32.ne (local.get $columns) (i32.const 1)) (then (return (i32.const 2))))
            (local.set $kind (call $kind (call $follow (i32.add (local.get $vector) (i32.const 4)))))
            (br $next)))
        (if (i32.ne (local.get $type) (i32.const 3)) (then (return (i32.const 2)))) ;; RecordBatch
        (if (local.get $batches) (then (return (i32.const 2))))
        (if (i32.ne (local.get $kind) (local.get $wanted)) (then (return (i32.const 3))))
        (local.set $batches (i32.const 1))
        (global.set $rows (i32.const 0))
        (if (call $field (local.get $header) (i32.const 0))
          (then (global.set $rows (i32.wrap_i64 (i64.load (call $field (local.get $header) (i32.const 0)))))))
        (local.set $nodes (call $follow (call $field (local.get $header) (i32.const 1))))
        (local.set $vector (call $follow (call $field (local.get $header) (i32.const 2))))
        (global.set $validity (i32.const 0))
        (if (i64.ne (i64.load offset=12 (local.get $nodes)) (i64.const 0)) ;; null count
          (then (global.set $validity (call $buffer (local.get $vector) (i32.const 0) (local.get $body) (local.get $body-size)))))
        (global.set $first (call $buffer (local.get $vector) (i32.const 1) (local.get $body) (local.get $body-size)))
        (if (i32.eq (local.get $kind) (i32.const 2))
          (then (global.set $second (call $buffer (local.get $vector) (i32.const 2) (local.get $body) (local.get $body-size)))))
        (br $next)))
    (if (result i32) (local.get $batches) (then (i32.const 0)) (else (i32.const 2))))
  (func $null (param $row i32) (result i32)
    (if (i32.eqz (global.get $validity)) (then (return (i32.const 0))))
    (i32.eqz (i32.and
      (i32.shr_u (i32.load8_u (i32.add (global.get $validity) (i32.shr_u (local.get $row) (i32.const 3)))) (i32.and (local.get $row) (i32.const 7)))
      (i32.const 1))))

  (func $is-list (param $name i32) (param $size i32) (result i32)
    (i32.eq (i32.load8_u (i32.sub (i32.add (local.get $name) (local.get $size)) (i32.const 1))) (i32.const 0x74))) ;; t
  (func $is-total (param $name i32) (param $size i32) (result i32)
    (i32.eq (i32.load8_u (i32.sub (i32.add (local.get $name) (local.get $size)) (i32.const 1))) (i32.const 0x6c))) ;; l

  ;; Adds a 128-bit number to the one at $sum.
  (func $add (param $sum i32) (param $low i64) (param $high i64)
    (local $new i64)
    (local.set $new (i64.add (i64.load (local.get $sum)) (local.get $low)))
    (i64.store offset=8 (local.get $sum)
      (i64.add (i64.add (i64.load offset=8 (local.get $sum)) (local.get $high)) (i64.extend_i32_u (i64.lt_u (local.get $new) (local.get $low)))))
    (i64.store (local.get $sum) (local.get $new)))

  ;; Writes a number and a blank; gives the address behind it.
  (func $number (param $at i32) (param $value i64) (result i32)
    (local $digits i32) (local $rest i64)
    (if (i64.lt_s (local.get $value) (i64.const 0))
      (then
        (i32.store8 (local.get $at) (i32.const 0x2d))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $value (i64.sub (i64.const 0) (local.get $value)))))
    (local.set $rest (local.get $value))
    (loop $count
      (local.set $digits (i32.add (local.get $digits) (i32.const 1)))
      (local.set $rest (i64.div_u (local.get $rest) (i64.const 10)))
      (br_if $count (i64.ne (local.get $rest) (i64.const 0))))
    (local.set $at (i32.add (local.get $at) (local.get $digits)))
    (i32.store8 (local.get $at) (i32.const 0x20))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 0x30) (i32.wrap_i64 (i64.rem_u (local.get $value) (i64.const 10)))))
      (local.set $value (i64.div_u (local.get $value) (i64.const 10)))
      (local.set $rest (i64.add (local.get $rest) (i64.const 1)))
      (br_if $digit (i64.lt_u (local.get $rest) (i64.extend_i32_u (local.get $digits)))))
    (i32.add (i32.add (local.get $at) (local.get $digits)) (i32.const 1)))

  (func (export "manifest") (result i32) (call $text (i32.const 64) (i32.const 62)))
  (func (export "register") (result i32) (call $text (i32.const 160) (i32.const 591)))

  (func (export "agg-new") (param $name i32) (param $name-size i32) (result i32)
    (local $at i32)
    (if (call $is-list (local.get $name) (local.get $name-size)) (then (return (call $ok (i32.const 0) (i32.const 0)))))
    (local.set $at (call $alloc (i32.const 16)))
    (memory.fill (local.get $at) (i32.const 0) (i32.const 16))
    (call $ok (local.get $at) (i32.const 16)))

  (func (export "agg-update") (param $name i32) (param $name-size i32) (param $state i32) (param $size i32) (param $values i32) (param $values-size i32) (result i32)
    (local $error i32) (local $new i32) (local $at i32) (local $row i32) (local $value i64)
    (local.set $error (call $open (local.get $values) (local.get $values-size) (i32.const 1)))
    (if (local.get $error) (then (return (call $err (local.get $error)))))
    (if (call $is-list (local.get $name) (local.get $name-size))
      (then
        (local.set $new (call $alloc (i32.add (local.get $size) (i32.mul (global.get $rows) (i32.const 21)))))
        (memory.copy (local.get $new) (local.get $state) (local.get $size))
        (local.set $at (i32.add (local.get $new) (local.get $size)))
        (block $done
          (loop $next
            (br_if $done (i32.eq (local.get $row) (global.get $rows)))
            (if (call $null (local.get $row))
              (then
                (i32.store (local.get $at) (i32.const 0x6c6c756e)) ;; null
                (i32.store8 offset=4 (local.get $at) (i32.const 0x20))
                (local.set $at (i32.add (local.get $at) (i32.const 5))))
              (else
                (local.set $at (call $number (local.get $at) (i64.load (i32.add (global.get $first) (i32.mul (local.get $row) (i32.const 8))))))))
            (local.set $row (i32.add (local.get $row) (i32.const 1)))
            (br $next)))
        (return (call $ok (local.get $new) (i32.sub (local.get $at) (local.get $new))))))
    (if (i32.ne (local.get $size) (i32.const 16)) (then (return (call $err (i32.const 5)))))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $row) (global.get $rows)))
        (if (call $null (local.get $row))
          (then
            (if (call $is-total (local.get $name) (local.get $name-size)) (then (return (call $err (i32.const 7))))))
          (else
            (local.set $value (i64.load (i32.add (global.get $first) (i32.mul (local.get $row) (i32.const 8)))))
            (call $add (local.get $state) (local.get $value) (i64.shr_s (local.get $value) (i64.const 63)))))
        (local.set $row (i32.add (local.get $row) (i32.const 1)))
        (br $next)))
    (call $ok (local.get $state) (i32.const 16)))

  (func (export "agg-merge") (param $name i32) (param $name-size i32) (param $state i32) (param $size i32) (param $others i32) (param $others-size i32) (result i32)
    (local $error i32) (local $new i32) (local $at i32) (local $row i32) (local $from i32) (local $length i32) (local $list i32) (local $total i32)
    (local.set $error (call $open (local.get $others) (local.get $others-size) (i32.const 2)))
    (if (local.get $error) (then (return (call $err (local.get $error)))))
    (local.set $list (call $is-list (local.get $name) (local.get $name-size)))
    (if (local.get $list)
      (then
        (if (global.get $rows)
          (then (local.set $total (i32.sub (i32.load (i32.add (global.get $first) (i32.mul (global.get $rows) (i32.const 4)))) (i32.load (global.get $first))))))
        (local.set $new (call $alloc (i32.add (local.get $size) (local.get $total))))
        (memory.copy (local.get $new) (local.get $state) (local.get $size))
        (local.set $at (i32.add (local.get $new) (local.get $size))))
      (else
        (if (i32.ne (local.get $size) (i32.const 16)) (then (return (call $err (i32.const 5)))))))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $row) (global.get $rows)))
        (if (call $null (local.get $row)) (then (return (call $err (i32.const 4)))))
        (local.set $from (i32.load (i32.add (global.get $first) (i32.mul (local.get $row) (i32.const 4)))))
        (local.set $length (i32.sub (i32.load offset=4 (i32.add (global.get $first) (i32.mul (local.get $row) (i32.const 4)))) (local.get $from)))
        (local.set $from (i32.add (global.get $second) (local.get $from)))
        (if (local.get $list)
          (then
            (memory.copy (local.get $at) (local.get $from) (local.get $length))
            (local.set $at (i32.add (local.get $at) (local.get $length))))
          (else
            (if (i32.ne (local.get $length) (i32.const 16)) (then (return (call $err (i32.const 5)))))
            (call $add (local.get $state) (i64.load (local.get $from)) (i64.load offset=8 (local.get $from)))))
        (local.set $row (i32.add (local.get $row) (i32.const 1)))
        (br $next)))
    (if (result i32) (local.get $list)
      (then (call $ok (local.get $new) (i32.sub (local.get $at) (local.get $new))))
      (else (call $ok (local.get $state) (i32.const 16)))))

  (func (export "agg-evaluate") (param $name i32) (param $name-size i32) (param $state i32) (param $size i32) (result i32)
    (local $at i32) (local $padded i32)
    (if (call $is-list (local.get $name) (local.get $name-size))
      (then
        (local.set $padded (i32.and (i32.add (local.get $size) (i32.const 7)) (i32.const -8)))
        (local.set $at (call $alloc (i32.add (i32.const 296) (local.get $padded))))
        (memory.copy (local.get $at) (i32.const 2560) (i32.const 288))
        (i64.store offset=160 (local.get $at) (i64.extend_i32_u (i32.add (i32.const 8) (local.get $padded))))
        (i64.store offset=248 (local.get $at) (i64.extend_i32_u (local.get $size)))
        (i32.store offset=284 (local.get $at) (local.get $size))
        (memory.fill (i32.add (local.get $at) (i32.const 288)) (i32.const 0) (local.get $padded))
        (memory.copy (i32.add (local.get $at) (i32.const 288)) (local.get $state) (local.get $size))
        (i64.store (i32.add (local.get $at) (i32.add (i32.const 288) (local.get $padded))) (i64.const 0xffffffff))
        (return (call $ok (local.get $at) (i32.add (i32.const 296) (local.get $padded))))))
    (if (i32.ne (local.get $size) (i32.const 16)) (then (return (call $err (i32.const 5)))))
    (if (i64.ne (i64.load offset=8 (local.get $state)) (i64.shr_s (i64.load (local.get $state)) (i64.const 63)))
      (then (return (call $err (i32.const 6)))))
    (i64.store (i32.const 2320) (i64.load (local.get $state)))
    (call $ok (i32.const 2048) (i32.const 288))))
