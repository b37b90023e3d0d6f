;; Grows its table from 10 to 100010 elements; `ok` when it may not, `err("grown")` when it may.
(module
  (memory (export "memory") 1)
  (table $t 10 funcref)
  (data (i32.const 64) "grown")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "pie:inferlet/run#run") (result i32)
    (if (i32.ne (table.grow $t (ref.null func) (i32.const 100000)) (i32.const -1))
      (then
        (i32.store8 (i32.const 16) (i32.const 1))
        (i32.store (i32.const 20) (i32.const 64))
        (i32.store (i32.const 24) (i32.const 5))))
    (i32.const 16)))
