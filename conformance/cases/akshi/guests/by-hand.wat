;; An agent without any import whose `run` returns `ok`.
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "run") (result i32) (i32.const 16)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (func (export "run") (result (result (error string))) (canon lift (core func $i "run") (memory $memory))))
