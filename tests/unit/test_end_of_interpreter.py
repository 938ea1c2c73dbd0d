"""Daemon threads that are in the middle of something when the interpreter shuts down."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import ferrowasm._native as native

#: The loops of daemon threads, each with what it needs; `busy` is Python code that takes long enough for another thread to get its turn.
LOOPS = {
    "attributes": "class A: x = property(busy)\nlimits = Limits(1, 2)\nloop = lambda: (Config(), repr(limits), setattr(WasiConfig(), 'argv', ['a', 'b']))",
    "numbers": "class N:\n    def __index__(self): return busy() or 1\nf = export('(func (export \"f\") (param i32 i64))')\nloop = lambda: f(store, N(), N())",
    "types": "module = Module(store.engine, '(module (memory (export \"m\") 1 4) (table (export \"t\") 1 funcref))')\nloop = lambda: [repr(export.type) for export in module.exports]",
    "finalisers": "class F:\n    def __del__(self): busy()\nf = export('(func (export \"f\") (param externref))')\nloop = lambda: f(store, F())",
    "stores": "class F:\n    def __del__(self): busy()\nloop = lambda: Store(store.engine, F()).close()",
    "memories": "memory = Memory(store, MemoryType(Limits(1, 2)))\nloop = lambda: (memory.write(store, b'abc'), memory.read_str(store, 0, 3), memory.data_ptr(store))",
    "components": "component = Component(store.engine, TEXT)\nloop = lambda: (str(component.type), repr(component.type))",
    "records": "class R:\n    x = property(busy_number)\ncall = ComponentLinker(store.engine).instantiate(store, Component(store.engine, TEXT)).exports(store).f\nloop = lambda: call(store, R())",
    "output": "class W:\n    def write(self, data): return busy() or len(data)\n    def flush(self): busy()\nconfig = WasiConfig()\nconfig.stdout = W()\nstore.set_wasi(config)\nlinker = Linker(store.engine)\nlinker.define_wasi()\nf = linker.instantiate(store, Module(store.engine, WRITING)).exports(store)['f']\nloop = lambda: f(store)",
}

PROGRAM = '''
import sys, threading, time
from ferrowasm import Config, Instance, Limits, Linker, Memory, MemoryType, Module, Store, WasiConfig
from ferrowasm.component import Component, Linker as ComponentLinker
sys.setswitchinterval(1e-4)
TEXT = """(component (type $r' (record (field "x" u32))) (export $r "r" (type $r'))
  (core module $m (func (export "f") (param i32))) (core instance $m (instantiate $m))
  (func (export "f") (param "r" $r) (canon lift (core func $m "f"))))"""
WRITING = """(module (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32))) (memory (export "memory") 1)
  (data (i32.const 8) "\\\\20\\\\00\\\\00\\\\00\\\\05\\\\00\\\\00\\\\00hello")
  (func (export "f") (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))))"""

def busy(*_):
    for _ in range(30):
        pass

def busy_number(_):
    return busy() or 1

class Slow:
    """The interpreter takes its time, in which the other threads find out that it is over."""
    def __del__(self, clock=time.perf_counter):
        end = clock() + 0.05
        while clock() < end:
            pass

slow = Slow()
started = threading.Barrier(3)

def work():
    store = Store()
    export = lambda text: Instance(store, Module(store.engine, f"(module {text})"), []).exports(store)["f"]
    names = globals() | locals()
    exec(LOOP, names)
    loop = names["loop"]
    loop()
    started.wait()
    while True:
        loop()

for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
started.wait(30)
time.sleep(0.01)
'''


@pytest.mark.parametrize("name", LOOPS)
def test_daemon_threads_do_not_disturb_the_end_of_the_process(name: str) -> None:
    program = f"LOOP = {LOOPS[name]!r}\n{textwrap.dedent(PROGRAM)}"
    env = dict(os.environ, PYTHONPATH=str(Path(native.__file__ or "").parents[1]))
    for _ in range(3):
        finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=env, check=False)
        assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


def dynamic_symbols(path: str) -> Iterator[tuple[str, bool]]:
    """The names that a library looks up or offers, and whether it offers them (ELF, 64 bits)."""
    data = Path(path).read_bytes()
    (table,) = struct.unpack_from("<Q", data, 0x28)
    (count,) = struct.unpack_from("<H", data, 0x3C)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, table + 64 * index) for index in range(count)]
    symbols = next(section for section in sections if section[1] == 11)
    names = sections[symbols[6]][4]
    for offset in range(symbols[4], symbols[4] + symbols[5], 24):
        name, _, _, defined_in = struct.unpack_from("<IBBH", data, offset)
        start = names + name
        yield data[start : data.index(b"\0", start)].decode(), defined_in != 0


#: Functions of the interpreter that run no Python code: they look at objects of known classes, or make new ones. (What may free objects, or convert
#: some of an unknown class, is not among them.)
RUN_NO_CODE = set(
    """
    PyBuffer_FillInfo PyBuffer_FromContiguous PyBuffer_IsContiguous PyBuffer_ToContiguous PyByteArray_AsString PyByteArray_FromStringAndSize
    PyByteArray_Size PyBytes_FromStringAndSize PyCMethod_New PyCallable_Check PyCapsule_GetName PyCapsule_GetPointer PyCapsule_New PyDict_Next
    PyErr_ExceptionMatches PyErr_Fetch PyErr_GetRaisedException PyErr_GivenExceptionMatches PyErr_Occurred PyException_GetTraceback
    PyFloat_FromDouble PyInterpreterState_Get PyInterpreterState_GetID PyList_Append PyLong_AsLongLongAndOverflow PyLong_AsUnsignedLongLong
    PyLong_FromLong PyLong_FromSsize_t PyLong_FromUnsignedLongLong PyMapping_Check PyObject_CheckBuffer PyObject_GC_UnTrack PySequence_Check
    PySlice_New PyThreadState_Get PyTuple_GetItem PyType_GetModuleName PyType_GetName PyType_GetQualName PyType_IsSubtype PyType_Modified
    PyUnicode_AsUTF8AndSize PyUnicode_EqualToUTF8AndSize PyUnicode_FromStringAndSize PyUnicode_InternInPlace PyWeakref_GetObject
    PyWeakref_GetRef Py_IsFinalizing Py_IsInitialized _PyLong_AsByteArray _Py_CheckFunctionResult
    """.split()
)

#: These are for the interpreter to call, as slots of our classes; or they run once, when the module is imported.
NOT_FROM_CALLS = set(
    """
    PyObject_GenericGetAttr PyObject_GenericGetDict PyObject_GenericSetDict
    PyModuleDef_Init PyModule_ExecDef PyModule_FromDefAndSpec2 PyModule_GetNameObject
    """.split()
)

#: PyO3 declares these as functions that may unwind, and lets the thread sleep.
SURVIVE_ALREADY = {"PyEval_RestoreThread", "PyEval_SaveThread", "PyGILState_Ensure"}


# Elsewhere the functions are not wrapped (`unwinds_daemon_threads` in build.rs): CPython 3.14 and later let the thread sleep themselves, and other systems
# have libraries that the reader above does not understand.
@pytest.mark.skipif(sys.platform != "linux" or sys.version_info >= (3, 14), reason="daemon threads are not ended by unwinding")
def test_every_function_of_the_interpreter_that_may_run_code_is_called_safely() -> None:
    symbols = list(dynamic_symbols(native.__file__ or ""))
    survive = {name.removeprefix("__wrap_") for name, offered in symbols if offered and name.startswith("__wrap_")}
    called = {name for name, offered in symbols if not offered and name.lstrip("_").startswith("Py")}
    functions = {name for name in called if not name.endswith(("_Type", "Struct", "ProxyType", "RefType")) and not name.startswith("PyExc_")}
    assert len(survive & functions) > 40
    assert functions - survive - RUN_NO_CODE - NOT_FROM_CALLS - SURVIVE_ALREADY == set()
