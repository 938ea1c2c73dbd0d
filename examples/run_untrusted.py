"""Run programs that nobody trusts: every limit set, nothing of the host shared, and each way in which a program can end told apart."""

from ferrowasm import MemoryFolder, RunTimeout, StopReason, WasmtimeError, run

TIMEOUT = 1.0  # seconds
MEMORY_LIMIT = 64 << 20  # bytes
OUTPUT_LIMIT = 64 << 10  # bytes, for each output


def judge(program: str | bytes, question: str) -> str:
    """Give a program a question on its standard input, and a folder of its own to work in."""
    scratch = MemoryFolder(max_bytes=1 << 20)
    try:
        result = run(
            program,
            ["--quiet"],
            input=question,
            mounts={"/work": scratch},
            timeout=TIMEOUT,
            memory_limit=MEMORY_LIMIT,
            output_limit=OUTPUT_LIMIT,
        )
    except RunTimeout as error:
        return f"too slow, after it had written {error.stdout!r}"
    except WasmtimeError as error:
        # No program at all, or one that wants something that programs here are not given.
        return f"refused: {str(error).splitlines()[0]}"
    match result.reason:
        case StopReason.EXITED if result.returncode == 0:
            return f"answered {result.stdout!r}"
        case StopReason.EXITED:
            return f"gave up with the exit code {result.returncode}"
        case reason:
            return f"stopped: {reason.value}"


#: What the programs below have in common.
HEAD = """
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func $echo
    (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 1000))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
"""

PROGRAMS = {
    "honest": "(call $echo)",
    "endless": "(call $echo) (loop (br 0))",
    "greedy": "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable",
    "talkative": "(call $echo) (loop (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br 0))",
    "recursive": "(call $start)",
    "broken": "(drop (i32.load (i32.const -1)))",
    "failing": "(call $exit (i32.const 2))",
}

if __name__ == "__main__":
    for name, body in PROGRAMS.items():
        print(f"{name}:", judge(f'(module {HEAD} (func $start (export "_start") {body}))', "6 * 7"))
    print("curious:", judge('(module (import "env" "system" (func)) (func (export "_start")))', ""))
    print("garbage:", judge(b"\0asm garbage", ""))

# Output:
# honest: answered b'6 * 7'
# endless: too slow, after it had written b'6 * 7'
# greedy: stopped: memory limit
# talkative: stopped: output limit
# recursive: stopped: trapped
# broken: stopped: trapped
# failing: gave up with the exit code 2
# curious: refused: unknown import: `env::system` has not been defined
# garbage: refused: failed to parse WebAssembly module
