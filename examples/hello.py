"""A module that calls a Python function."""

from ferrowasm import Func, FuncType, Instance, Module, Store

WAT = """
(module
  (import "" "hello" (func $hello))
  (func (export "run") (call $hello)))
"""

store = Store()
module = Module(store.engine, WAT)
hello = Func(store, FuncType([], []), lambda: print("Hello from Python!"))
instance = Instance(store, module, [hello])
run = instance.exports(store)["run"]
assert isinstance(run, Func)
run(store)

# Output:
# Hello from Python!
