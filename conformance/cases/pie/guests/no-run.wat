;; A component that exports something, but no `run`.
(component
  (core module $m (func (export "walk")))
  (core instance $i (instantiate $m))
  (func $walk (canon lift (core func $i "walk")))
  (instance $walk-exports (export "walk" (func $walk)))
  (export "pie:inferlet/walk" (instance $walk-exports)))
