;; A guest for values too big for a transcript. Its arguments: which function, by the letter below, and a size in bytes.
;; It calls the function with that many `x` and returns `ok`; where something comes back, it must be right, or the guest
;; returns `err`.
;;
;;   b  broadcast(topic "bulk", message)      s  send(message)
;;   d  debug-query(query), any answer        t  broadcast(topic, message "m")
;;   e  store-exists(key)                     u  subscribe(topic)
;;   k  store-set(key, value "v") and back    v  store-set(key "bulk", value) and back
;;   q  queue.debug-query(query) of `alpha`, answer `echo: ` and the query
(module
  (import "pie:inferlet/core" "get-arguments" (func $get-arguments (param i32)))
  (import "pie:inferlet/core" "send" (func $send (param i32 i32)))
  (import "pie:inferlet/core" "broadcast" (func $broadcast (param i32 i32 i32 i32)))
  (import "pie:inferlet/core" "subscribe" (func $subscribe (param i32 i32) (result i32)))
  (import "pie:inferlet/core" "store-exists" (func $store-exists (param i32 i32) (result i32)))
  (import "pie:inferlet/core" "store-set" (func $store-set (param i32 i32 i32 i32)))
  (import "pie:inferlet/core" "store-get" (func $store-get (param i32 i32 i32)))
  (import "pie:inferlet/core" "debug-query" (func $debug-query (param i32 i32) (result i32)))
  (import "pie:inferlet/core" "get-model" (func $get-model (param i32 i32 i32)))
  (import "pie:inferlet/core" "[method]model.create-queue" (func $create-queue (param i32) (result i32)))
  (import "pie:inferlet/core" "[method]queue.debug-query" (func $queue-debug-query (param i32 i32 i32) (result i32)))
  (import "pie:inferlet/core" "[method]debug-query-result.pollable" (func $pollable (param i32) (result i32)))
  (import "pie:inferlet/core" "[method]debug-query-result.get" (func $get (param i32 i32)))
  (import "wasi:io/poll@0.2.4" "[method]pollable.block" (func $block (param i32)))

  (memory (export "memory") 1)
  (data (i32.const 16) "bulk")
  (data (i32.const 24) "alpha")
  (data (i32.const 32) "changed on the way")
  (data (i32.const 64) "echo: ")

  ;; The next free byte.
  (global $free (mut i32) (i32.const 4096))

  (func $reserve (param $align i32) (param $size i32) (result i32)
    (local $at i32) (local $end i32)
    (local.set $at
      (i32.and
        (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
    (local.set $end (i32.add (local.get $at) (local.get $size)))
    (if (i32.gt_u (local.get $end) (i32.shl (memory.size) (i32.const 16)))
      (then
        (if (i32.eq
              (memory.grow
                (i32.add
                  (i32.shr_u (i32.sub (local.get $end) (i32.shl (memory.size) (i32.const 16))) (i32.const 16))
                  (i32.const 1)))
              (i32.const -1))
          (then unreachable))))
    (global.set $free (local.get $end))
    (local.get $at))

  (func (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (call $reserve (local.get $align) (local.get $size)))
    (memory.copy
      (local.get $at)
      (local.get $old)
      (select (local.get $size) (local.get $old-size) (i32.lt_u (local.get $size) (local.get $old-size))))
    (local.get $at))

  ;; Whether `size` bytes at `at` are all `x`.
  (func $all-x (param $at i32) (param $size i32) (result i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $at) (local.get $size)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (if (i32.ne (i32.load8_u (local.get $at)) (i32.const 120)) (then (return (i32.const 0))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (i32.const 1))

  ;; `err("changed on the way")`, in the area at 112.
  (func $changed (result i32)
    (i32.store8 (i32.const 112) (i32.const 1))
    (i32.store (i32.const 116) (i32.const 32))
    (i32.store (i32.const 120) (i32.const 18))
    (i32.const 112))

  ;; Waits for the answer and puts its option at 128.
  (func $answer (param $result i32)
    (call $block (call $pollable (local.get $result)))
    (call $get (local.get $result) (i32.const 128)))

  (func (export "pie:inferlet/run#run") (result i32)
    (local $letter i32) (local $at i32) (local $end i32) (local $size i32) (local $x i32)
    ;; The arguments: a list at 128, of pairs of address and length.
    (call $get-arguments (i32.const 128))
    (local.set $at (i32.load (i32.const 128)))
    (local.set $letter (i32.load8_u (i32.load (local.get $at))))
    (local.set $end (i32.add (i32.load offset=8 (local.get $at)) (i32.load offset=12 (local.get $at))))
    (local.set $at (i32.load offset=8 (local.get $at)))
    (block $read
      (loop $digit
        (br_if $read (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $size
          (i32.add
            (i32.mul (local.get $size) (i32.const 10))
            (i32.sub (i32.load8_u (local.get $at)) (i32.const 48))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $digit)))
    (local.set $x (call $reserve (i32.const 1) (local.get $size)))
    (memory.fill (local.get $x) (i32.const 120) (local.get $size))
    ;; No result yet: the area at 112 is `ok`.
    (if (i32.eq (local.get $letter) (i32.const 98)) ;; b
      (then (call $broadcast (i32.const 16) (i32.const 4) (local.get $x) (local.get $size)) (return (i32.const 112))))
    (if (i32.eq (local.get $letter) (i32.const 100)) ;; d
      (then
        (call $answer (call $debug-query (local.get $x) (local.get $size)))
        (if (i32.load8_u (i32.const 128)) (then (return (i32.const 112))))
        (return (call $changed))))
    (if (i32.eq (local.get $letter) (i32.const 101)) ;; e
      (then
        (drop (call $store-exists (local.get $x) (local.get $size)))
        (return (i32.const 112))))
    (if (i32.eq (local.get $letter) (i32.const 107)) ;; k
      (then
        (call $store-set (local.get $x) (local.get $size) (i32.const 16) (i32.const 1))
        (if (call $store-exists (local.get $x) (local.get $size)) (then (return (i32.const 112))))
        (return (call $changed))))
    (if (i32.eq (local.get $letter) (i32.const 113)) ;; q
      (then
        (call $get-model (i32.const 24) (i32.const 5) (i32.const 128))
        (if (i32.eqz (i32.load8_u (i32.const 128))) (then unreachable))
        (call $answer
          (call $queue-debug-query
            (call $create-queue (i32.load (i32.const 132)))
            (local.get $x)
            (local.get $size)))
        (if (i32.eqz (i32.load8_u (i32.const 128))) (then (return (call $changed))))
        (if (i32.ne (i32.load (i32.const 136)) (i32.add (local.get $size) (i32.const 6)))
          (then (return (call $changed))))
        (if (i32.ne (i32.load (i32.load (i32.const 132))) (i32.load (i32.const 64)))
          (then (return (call $changed))))
        (if (call $all-x (i32.add (i32.load (i32.const 132)) (i32.const 6)) (local.get $size))
          (then (return (i32.const 112))))
        (return (call $changed))))
    (if (i32.eq (local.get $letter) (i32.const 115)) ;; s
      (then (call $send (local.get $x) (local.get $size)) (return (i32.const 112))))
    (if (i32.eq (local.get $letter) (i32.const 116)) ;; t
      (then (call $broadcast (local.get $x) (local.get $size) (i32.const 16) (i32.const 1)) (return (i32.const 112))))
    (if (i32.eq (local.get $letter) (i32.const 117)) ;; u
      (then (drop (call $subscribe (local.get $x) (local.get $size))) (return (i32.const 112))))
    (if (i32.eq (local.get $letter) (i32.const 118)) ;; v
      (then
        (call $store-set (i32.const 16) (i32.const 4) (local.get $x) (local.get $size))
        (call $store-get (i32.const 16) (i32.const 4) (i32.const 128))
        (if (i32.eqz (i32.load8_u (i32.const 128))) (then (return (call $changed))))
        (if (i32.ne (i32.load (i32.const 136)) (local.get $size)) (then (return (call $changed))))
        (if (call $all-x (i32.load (i32.const 132)) (local.get $size)) (then (return (i32.const 112))))
        (return (call $changed))))
    unreachable))
