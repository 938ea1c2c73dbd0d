"""Limits for code that you do not trust: time by the clock, a budget of instructions, and memory."""

import threading

from ferrowasm import Config, Engine, Func, Instance, Module, Store, Trap

WAT = """
(module
  (memory (export "memory") 1)
  (func (export "spin") (loop $forever (br $forever)))
  (func (export "grow") (result i32) (memory.grow (i32.const 100))))
"""

config = Config()
config.epoch_interruption = True
config.consume_fuel = True
engine = Engine(config)
module = Module(engine, WAT)


def function(store: Store, name: str) -> Func:
    item = Instance(store, module, []).exports(store)[name]
    assert isinstance(item, Func)
    return item


# Time: after 50 ms the epoch moves on, and what runs then with a deadline of one epoch traps.
store = Store(engine)
store.set_fuel(2**63)
store.set_epoch_deadline(1)
threading.Timer(0.05, engine.increment_epoch).start()
try:
    function(store, "spin")(store)
except Trap as trap:
    print("time:", trap.trap_code)

# Instructions: deterministic, so that the same program always stops at the same place.
store = Store(engine)
store.set_epoch_deadline(2**32)
store.set_fuel(10_000)
try:
    function(store, "spin")(store)
except Trap as trap:
    print("fuel:", trap.trap_code)

# Memory: a refused growth is an answer of -1 inside the program.
store = Store(engine)
store.set_fuel(10_000)
store.set_epoch_deadline(2**32)
store.set_limits(memory_size=1_000_000)
print("grow:", function(store, "grow")(store))

# Output:
# time: TrapCode.INTERRUPT
# fuel: TrapCode.OUT_OF_FUEL
# grow: -1
