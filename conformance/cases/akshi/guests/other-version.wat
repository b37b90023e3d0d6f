;; A component that imports the interface in a version of another kind.
(component
  (import "akshi:runtime/host@2.0.0" (instance $import (export "sleep-ms" (func (param "millis" u64) (result (result (error string)))))))
  (core module $m
    (memory (export "memory") 1)
    (func (export "run") (result i32) (i32.const 16)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (func (export "run") (result (result (error string))) (canon lift (core func $i "run") (memory $memory))))
