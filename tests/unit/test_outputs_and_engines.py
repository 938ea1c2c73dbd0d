"""Outputs with a strict limit, and the engines that compiled code knows."""

from __future__ import annotations

import gc

import pytest
from support import raises
from wasi_support import SUCCESS, Guest

from ferrowasm import Engine, Instance, Linker, Module, OutputLimitError, Store, WasiConfig
from ferrowasm.component import Component


@pytest.mark.parametrize(("fd", "name"), [(1, "capture_stdout"), (2, "capture_stderr")])
def test_writing_beyond_a_strict_limit_ends_the_call(fd: int, name: str) -> None:
    config = WasiConfig()
    capture = getattr(config, name)(10, strict=True)
    guest = Guest(config)
    assert guest.write(fd, b"12345", b"67890") == SUCCESS
    assert not capture.truncated
    with raises(OutputLimitError, "the program wrote more than 10 bytes, which is the limit of this output"):
        guest.write(fd, b"x")
    assert (capture.getvalue(), capture.truncated) == (b"1234567890", True)


def test_what_fits_is_kept_of_the_write_that_goes_too_far() -> None:
    config = WasiConfig()
    capture = config.capture_stdout(3, strict=True)
    with pytest.raises(OutputLimitError):
        Guest(config).write(1, b"12345")
    assert capture.getvalue() == b"123"


def test_a_module_and_a_component_know_their_engine() -> None:
    engine = Engine()
    for compiled in (Module(engine, "(module)"), Component(engine, "(component)")):
        del engine
        gc.collect()
        engine = compiled.engine
        Linker(engine).instantiate(Store(engine), Module(engine, "(module)"))


def test_the_engine_of_a_module_is_the_one_that_it_was_made_with() -> None:
    engine = Engine()
    module = Module(engine, "(module)")
    engine.close()
    Instance(Store(module.engine), module, [])
    module = Module.deserialize(module.engine, module.serialize())
    Instance(Store(module.engine), module, [])
