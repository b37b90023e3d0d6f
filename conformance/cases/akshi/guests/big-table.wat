;; Wants a table of 100000 elements from the start.
(module
  (memory (export "memory") 1)
  (table 100000 funcref)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "run") (result i32) (i32.const 16)))
