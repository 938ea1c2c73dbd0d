;; What is instantiated again and again: a memory with data, and a function.
(module
  (memory (export "memory") 1)
  (data (i32.const 16) "hello")
  (func (export "first") (result i32) (i32.load8_u (i32.const 16))))
