;; A core module; a host of components has no use for it.
(module
  (memory (export "memory") 1)
  (func (export "run") (result i32) (i32.const 16)))
