;; A component that exports something, but no `run`.
(component
  (core module $m (func (export "walk")))
  (core instance $i (instantiate $m))
  (func (export "walk") (canon lift (core func $i "walk"))))
