"""A guest in C with a WIT world of its own, made a component by the toolchain.

Records, lists and strings go in both directions. What both packages can do is tested on wasmtime-py as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import wasmtime
import wasmtime.component

import ferrowasm
import ferrowasm.component
from ferrowasm._native import component_wit
from toolchain import c_module, component

SOURCE = Path(__file__).parent / "guests" / "c" / "till.c"
TILL = "test:shop/till@1.0.0"
DISCOUNTS = "test:shop/discounts@1.0.0"


@dataclass
class Item:
    name: str
    quantity: int
    price: float


def guest() -> Path:
    """The component: a library without `main`, which imports nothing of WASI."""
    module = c_module("till", SOURCE.read_text(encoding="utf-8"), "-mexec-model=reactor")
    return component("till", module.read_bytes(), wit=SOURCE.with_suffix(".wit").read_text(encoding="utf-8"))


@dataclass
class Till:
    """An instance of the guest on one of the two packages, and what it asked and told the host."""

    package: ModuleType
    asked: list[tuple[str, str, int, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        parts: Any = getattr(self.package, "component")
        engine = self.package.Engine()
        self.store = self.package.Store(engine)
        linker = parts.Linker(engine)
        with linker.root() as root:
            root.add_func("note", lambda _, line: self.notes.append(line))
            with root.add_instance(DISCOUNTS) as discounts:
                discounts.add_func("discount", lambda _, customer, item: self.discount(customer, item))
        made = parts.Component.from_file(engine, str(guest()))
        self.instance = linker.instantiate(self.store, made)

    def discount(self, customer: str, item: Any) -> float | None:
        self.asked.append((customer, item.name, item.quantity, item.price))
        return 0.25 if item.quantity >= 10 else None

    def call(self, name: str, *args: object) -> Any:
        interface = self.instance.get_export_index(self.store, TILL)
        function = self.instance.get_func(self.store, self.instance.get_export_index(self.store, name, interface))
        result = function(self.store, *args)
        function.post_return(self.store)
        return result


packages = pytest.mark.parametrize("package", [ferrowasm, wasmtime], ids=["ferrowasm", "wasmtime"])


@packages
def test_records_lists_and_strings_go_both_ways(package: ModuleType) -> None:
    till = Till(package)
    receipt = till.call("checkout", "Zoë", [Item("crème brûlée", 2, 4.5), Item("egg", 12, 0.5)])
    assert receipt.total == 2 * 4.5 + 12 * 0.5 * 0.75
    assert receipt.lines == ["2 x crème brûlée: 9.00", "12 x egg: 4.50"]
    assert till.asked == [("Zoë", "crème brûlée", 2, 4.5), ("Zoë", "egg", 12, 0.5)]
    assert till.notes == receipt.lines


@packages
def test_an_error_of_the_guest_is_a_value(package: ModuleType) -> None:
    till = Till(package)
    assert till.call("checkout", "", []) == "nothing to pay for"
    assert (till.asked, till.notes) == ([], [])


@packages
def test_everything_that_was_passed_is_freed(package: ModuleType) -> None:
    till = Till(package)
    for count in (0, 1, 300):
        receipt = till.call("checkout", "someone", [Item(f"thing {i}", i, 1.0) for i in range(count)])
        assert count == 0 or len(receipt.lines) == count
        assert till.call("in-use") == 0


def test_the_exports_of_an_interface_are_attributes() -> None:
    till = Till(ferrowasm)
    interface = till.instance.exports(till.store)[TILL]
    assert interface.checkout(till.store, "a", [{"name": "tea", "quantity": 1, "price": 3}]).lines == ["1 x tea: 3.00"]
    assert interface.in_use(till.store) == 0


def test_an_exception_of_the_host_comes_out_of_the_guest() -> None:
    error = KeyError("no such customer")

    class Broken(Till):
        def discount(self, customer: str, item: Any) -> float | None:
            raise error

    with pytest.raises(KeyError) as caught:
        Broken(ferrowasm).call("checkout", "nobody", [Item("egg", 1, 1.0)])
    assert caught.value is error


def test_a_wrong_item_is_refused_before_the_guest_runs() -> None:
    till = Till(ferrowasm)
    with pytest.raises(OverflowError, match=r"^items\[1\]\.quantity: -1 does not fit u32: "):
        till.call("checkout", "someone", [Item("egg", 1, 1.0), Item("egg", -1, 1.0)])
    assert till.asked == []
    assert till.call("checkout", "someone", [Item("egg", 1, 1.0)]).total == 1.0


def test_the_world_of_the_component_is_that_of_its_wit() -> None:
    printed = component_wit(guest().read_bytes())
    assert {line.strip() for line in printed.splitlines() if line.strip().startswith(("import", "export"))} == {
        "import test:shop/types@1.0.0;",
        f"import {DISCOUNTS};",
        "import note: func(line: string);",
        f"export {TILL};",
    }
