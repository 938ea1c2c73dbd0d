"""The world of a component as WIT, which `ferrowasm inspect` prints."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ferrowasm import WasmtimeError, wat2wasm
from ferrowasm._native import component_wit
from toolchain import component_new

DEMO = """
(component
  (import "test:demo/types@1.2.0" (instance $types
    (type $point' (record (field "x" s32) (field "type" (option u8))))
    (export "point" (type $point (eq $point')))
    (type $shape' (variant (case "dot") (case "line" (tuple $point $point))))
    (export "shape" (type $shape (eq $shape')))
    (type $color' (enum "red" "green"))
    (export "color" (type $color (eq $color')))
    (type $access' (flags "read" "write"))
    (export "access" (type $access (eq $access')))
    (type $points' (list $point))
    (export "points" (type $points (eq $points')))
    (export "same" (type $same (eq $points)))
    (export "token" (type $token (sub resource)))
    (export "file" (type $file (sub resource)))
    (export "[constructor]file" (func (param "name" string) (result (own $file))))
    (export "[method]file.read" (func (param "self" (borrow $file)) (param "length" u64) (result (result (list u8) (error $color)))))
    (export "[static]file.merge" (func (param "a" (own $file)) (param "b" (own $file)) (result (own $file))))
    (export "draw" (func (param "shapes" (list $shape)) (param "by" (borrow $token)) (result $access)))
    (export "odd" (func (param "a" (result u8)) (param "b" (result (error string))) (result (tuple char f64))))))
  (alias export $types "point" (type $point))
  (alias export $types "file" (type $file))
  (import "test:demo/user@1.2.0" (instance
    (export "point" (type $point' (eq $point)))
    (export "open" (func (param "at" $point') (result (own $file))))))
  (import "other:place/user" (instance
    (export "spot" (type $spot (eq $point)))
    (export "go" (func (param "to" $spot)))))
  (import "plain" (func (param "p" string) (result (result))))
  (import "inline" (instance (export "f" (func)))))
"""

WIT = """\
package root:component;

world root {
  import test:demo/types@1.2.0;
  import test:demo/user@1.2.0;
  import other:place/user;
  import plain: func(p: string) -> result;
  import inline: interface {
    f: func();
  }
}

package other:place {
  interface user {
    use test:demo/types@1.2.0.{point as spot};

    go: func(to: spot);
  }
}

package test:demo@1.2.0 {
  interface types {
    record point {
      x: s32,
      %type: option<u8>,
    }

    variant shape {
      dot,
      line(tuple<point, point>),
    }

    enum color {
      red,
      green,
    }

    flags access {
      read,
      write,
    }

    type points = list<point>;

    type same = points;

    resource token;

    resource file {
      constructor(name: string);
      read: func(length: u64) -> result<list<u8>, color>;
      merge: static func(a: file, b: file) -> file;
    }

    draw: func(shapes: list<shape>, by: borrow<token>) -> access;

    odd: func(a: result<u8>, b: result<_, string>) -> tuple<char, f64>;
  }

  interface user {
    use types.{point};

    open: func(at: point) -> file;
  }
}
"""


def test_every_kind_of_type_is_printed() -> None:
    # The last function uses a resource that its interface does not name, which WIT would.
    assert component_wit(wat2wasm(DEMO)) == WIT


def test_what_is_printed_is_wit(tmp_path: Path) -> None:
    named = DEMO.replace("(export \"open\"", "(export \"file\" (type $file' (eq $file)))\n(export \"open\"").replace(
        "(param \"at\" $point') (result (own $file))", "(param \"at\" $point') (result (own $file'))"
    )
    (tmp_path / "printed.wit").write_text(component_wit(wat2wasm(named)))
    (tmp_path / "core.wat").write_text("(module)")
    command: list[str | Path] = [component_new(), tmp_path / "core.wat", "-o", tmp_path / "out", "--wit", tmp_path / "printed.wit"]
    outcome = subprocess.run(command, capture_output=True, text=True)
    assert (outcome.stderr, outcome.returncode) == ("", 0)


def test_an_empty_component_has_an_empty_world() -> None:
    assert component_wit(wat2wasm("(component)")) == "package root:component;\n\nworld root {\n}\n"


def test_a_module_has_no_world() -> None:
    with pytest.raises(WasmtimeError, match="^expected a component, got a core module$"):
        component_wit(wat2wasm("(module)"))


@pytest.mark.parametrize("length", [9, 60, 200])
def test_a_component_that_is_cut_short_is_an_error(length: int) -> None:
    with pytest.raises(WasmtimeError, match="unexpected end|cut short|unexpected"):
        component_wit(wat2wasm(DEMO)[:length])
