"""Linking: one module uses what another exports, and many instances share the work of resolving imports."""

from ferrowasm import Func, Linker, Module, Store

COUNTER = """
(module
  (global $count (mut i32) (i32.const 0))
  (func (export "next") (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (global.get $count)))
"""

TICKETS = """
(module
  (import "counter" "next" (func $next (result i32)))
  (func (export "draw") (result i32) (i32.mul (call $next) (i32.const 100))))
"""

store = Store()
linker = Linker(store.engine)
counter = linker.instantiate(store, Module(store.engine, COUNTER))
linker.define_instance(store, "counter", counter)

# The imports are looked up once; each instance after that is cheap.
prepared = linker.instantiate_pre(Module(store.engine, TICKETS))
for _ in range(3):
    draw = prepared.instantiate(store).exports(store)["draw"]
    assert isinstance(draw, Func)
    print(draw(store))

# Output:
# 100
# 200
# 300
