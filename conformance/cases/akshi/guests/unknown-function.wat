;; A component that imports a function that the interface does not have.
(component
  (import "akshi:runtime/host@0.1.0" (instance $import (export "get-horoscope" (func (result string)))))
  (core module $m
    (memory (export "memory") 1)
    (func (export "run") (result i32) (i32.const 16)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (func (export "run") (result (result (error string))) (canon lift (core func $i "run") (memory $memory))))
