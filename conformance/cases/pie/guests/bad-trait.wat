;; Asks for the models with one trait whose text is not UTF-8.
(module
  (import "pie:inferlet/core" "get-all-models-with-traits" (func $get-all-models-with-traits (param i32 i32 i32)))
  (memory (export "memory") 1)
  ;; A list of one text: address 32, three bytes.
  (data (i32.const 16) "\20\00\00\00\03\00\00\00")
  (data (i32.const 32) "a\ffb")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "pie:inferlet/run#run") (result i32)
    (call $get-all-models-with-traits (i32.const 16) (i32.const 1) (i32.const 64))
    (i32.const 128)))
