"""Callbacks: reading the memory of the module that calls, and exceptions that pass through WebAssembly unchanged."""

from ferrowasm import Caller, Func, FuncType, Linker, Memory, Module, Store, ValType

WAT = """
(module
  (import "host" "log" (func $log (param i32 i32)))
  (import "host" "price" (func $price (param i32) (result f64)))
  (memory (export "memory") 1)
  (data (i32.const 16) "adding up")
  (func (export "total") (param $first i32) (param $second i32) (result f64)
    (call $log (i32.const 16) (i32.const 9))
    (f64.add (call $price (local.get $first)) (call $price (local.get $second)))))
"""

PRICES = {1: 2.5, 2: 4.0}


def log(caller: Caller, start: int, length: int) -> None:
    """Print a text that lies in the memory of the module that called."""
    memory = caller["memory"]
    assert isinstance(memory, Memory)
    print(memory.read(caller, start, start + length).decode())


def price(article: int) -> float:
    return PRICES[article]


store = Store()
linker = Linker(store.engine)
i32, f64 = ValType.i32(), ValType.f64()
linker.define_func("host", "log", FuncType([i32, i32], []), log, access_caller=True)
linker.define_func("host", "price", FuncType([i32], [f64]), price)
instance = linker.instantiate(store, Module(store.engine, WAT))
total = instance.exports(store)["total"]
assert isinstance(total, Func)

print(total(store, 1, 2))
try:
    total(store, 1, 7)
except KeyError as error:
    # The very exception that price() raised, with its traceback.
    print("no such article:", error)

# Output:
# adding up
# 6.5
# adding up
# no such article: 7
