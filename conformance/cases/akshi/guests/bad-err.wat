;; Returns an `err` whose text is not UTF-8.
(module
  (memory (export "memory") 1)
  ;; `err`, address 32, three bytes.
  (data (i32.const 16) "\01\00\00\00\20\00\00\00\03\00\00\00")
  (data (i32.const 32) "a\ffb")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "run") (result i32) (i32.const 16)))
