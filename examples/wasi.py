"""A WASI program with its standard streams in memory: bytes go in, bytes come out, and it sees nothing of this machine."""

from ferrowasm import Engine, ExitTrap, Func, Linker, Module, Store, WasiConfig

# Copies up to 4096 bytes of standard input to standard output and exits with the number of bytes.
WAT = """
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 4096))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
    (call $exit (i32.load (i32.const 8)))))
"""

engine = Engine()
module = Module(engine, WAT)
linker = Linker(engine)
linker.define_wasi()


def run(stdin: bytes) -> tuple[int, bytes]:
    """The exit code of the program, and what it printed."""
    config = WasiConfig()
    config.argv = ["copy"]
    config.env = {"LANG": "C"}
    config.stdin_bytes = stdin
    stdout = config.capture_stdout()
    store = Store(engine)
    store.set_wasi(config)
    start = linker.instantiate(store, module).exports(store)["_start"]
    assert isinstance(start, Func)
    try:
        start(store)
    except ExitTrap as ended:
        return ended.code, stdout.getvalue()
    return 0, stdout.getvalue()


print(run(b"some text"))
print(run(b""))

# Output:
# (9, b'some text')
# (0, b'')
