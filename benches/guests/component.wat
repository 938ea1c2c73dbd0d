;; Values there and back through a component.
(component
  (import "upper" (func $upper (param "s" string) (result string)))

  (core module $memory
    (memory (export "memory") 2)
    (global $free (mut i32) (i32.const 1024))
    ;; Hands out what comes next; `reset` starts over.
    (func (export "realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
      (local $start i32)
      (local.set $start
        (i32.and (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
          (i32.sub (i32.const 0) (local.get $align))))
      (global.set $free (i32.add (local.get $start) (local.get $size)))
      (local.get $start))
    (func (export "reset") (param i32) (global.set $free (i32.const 1024))))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $bytes))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $upper_lowered (canon lower (func $upper) (memory $bytes) (realloc $realloc)))

  (core module $code
    (import "memory" "memory" (memory 2))
    (import "host" "upper" (func $upper (param i32 i32 i32)))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    ;; A string or a list, given back where it lies.
    (func (export "same") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0))
      (i32.store (i32.const 20) (local.get 1))
      (i32.const 16))
    (func (export "shout") (param i32 i32) (result i32)
      (call $upper (local.get 0) (local.get 1) (i32.const 16))
      (i32.const 16))
    (func (export "record") (param i32 f64 i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0))
      (f64.store (i32.const 24) (local.get 1))
      (i32.store (i32.const 32) (local.get 2))
      (i32.store (i32.const 36) (local.get 3))
      (i32.const 16)))
  (core instance $code (instantiate $code
    (with "memory" (instance $memory))
    (with "host" (instance (export "upper" (func $upper_lowered))))))

  (type $item' (record (field "count" u32) (field "weight" f64) (field "name" string)))
  (export $item "item" (type $item'))

  (func (export "add") (param "a" s32) (param "b" s32) (result s32) (canon lift (core func $code "add")))
  (func (export "echo-string") (param "s" string) (result string)
    (canon lift (core func $code "same") (memory $bytes) (realloc $realloc) (post-return (core func $memory "reset"))))
  (func (export "shout") (param "s" string) (result string)
    (canon lift (core func $code "shout") (memory $bytes) (realloc $realloc) (post-return (core func $memory "reset"))))
  (func (export "echo-bytes") (param "values" (list u8)) (result (list u8))
    (canon lift (core func $code "same") (memory $bytes) (realloc $realloc) (post-return (core func $memory "reset"))))
  (func (export "echo-floats") (param "values" (list f64)) (result (list f64))
    (canon lift (core func $code "same") (memory $bytes) (realloc $realloc) (post-return (core func $memory "reset"))))
  (func (export "echo-item") (param "value" $item) (result $item)
    (canon lift (core func $code "record") (memory $bytes) (realloc $realloc) (post-return (core func $memory "reset")))))
