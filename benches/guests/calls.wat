;; Calls in both directions, memory, and something to compute.
(module
  (import "host" "add" (func $host_add (param i32 i32) (result i32)))
  (memory (export "memory") 1)

  (func (export "nop"))

  (func (export "add") (param i32 i32) (result i32)
    (i32.add (local.get 0) (local.get 1)))

  ;; Calls the host `n` times.
  (func (export "call_host") (param $n i32) (result i32)
    (local $sum i32)
    (loop $again
      (local.set $sum (call $host_add (local.get $sum) (i32.const 1)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $again (local.get $n)))
    (local.get $sum))

  (func (export "scale") (param f64) (result f64)
    (f64.add (f64.mul (local.get 0) (f64.const 1.5)) (f64.const 0.25)))

  ;; A chain of `n` dependent steps (xorshift).
  (func (export "compute") (param $n i32) (result i64)
    (local $x i64)
    (local.set $x (i64.const 88172645463325252))
    (loop $again
      (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 13))))
      (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 7))))
      (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 17))))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $again (local.get $n)))
    (local.get $x)))
