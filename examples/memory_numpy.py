"""The memory of a module as a NumPy array, without a copy."""

import numpy as np
from ferrowasm import Func, Instance, Memory, Module, Store

WAT = """
(module
  (memory (export "memory") 1)
  ;; Adds up $count doubles from $start on.
  (func (export "sum") (param $start i32) (param $count i32) (result f64)
    (local $total f64)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $total (f64.add (local.get $total) (f64.load (local.get $start))))
        (local.set $start (i32.add (local.get $start) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (local.get $total)))
"""

store = Store()
exports = Instance(store, Module(store.engine, WAT), []).exports(store)
memory, wasm_sum = exports["memory"], exports["sum"]
assert isinstance(memory, Memory) and isinstance(wasm_sum, Func)

# 1000 doubles from byte 4096 on. The array is the memory: what one side writes, the other reads.
view = memoryview(memory.get_buffer_ptr(store, size=8 * 1000, offset=4096))
values = np.frombuffer(view, dtype=np.float64)
values[:] = np.arange(1000)
print(wasm_sum(store, 4096, 1000))

values *= 2
print(wasm_sum(store, 4096, 1000))

# Output:
# 499500.0
# 999000.0
