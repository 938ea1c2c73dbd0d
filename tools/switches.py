"""Writes docs/switches.md from the docstrings of `Config`, so that the page cannot drift from the code.

    python tools/switches.py          print the page
    python tools/switches.py --write  write it into docs/
"""

from __future__ import annotations

import sys
from pathlib import Path

from ferrowasm import Config

PAGE = Path(__file__).resolve().parent.parent / "docs" / "switches.md"

HEAD = """\
# Switches

Every attribute of `Config`, with its value in a new `Config`. [Configuration](configuration.md) explains the ones that are used most. Target-specific
flags of the compiler are set with the methods `cranelift_flag_set` and `cranelift_flag_enable`.

`python tools/switches.py --write` made this page from the docstrings.

| switch | accepts | default | meaning |
|---|---|---|---|
"""


def page() -> str:
    return HEAD + "".join(f"| `{name}` | {accepts} | `{default!r}` | {meaning} |\n" for name, accepts, default, meaning in switches())


def switches() -> list[tuple[str, str, object, str]]:
    """Name, accepted values, default and meaning of each switch, in alphabetical order."""
    config = Config()
    rows = []
    for name in sorted(set(dir(Config)) - set(dir(object))):
        documentation = getattr(Config, name).__doc__ or ""
        meaning, separator, accepts = documentation.partition("\n\nAccepts: ")
        # What does not say what it accepts is a method, or cannot be set.
        if separator:
            accepted, _, _ = accepts.partition(". Default:")
            rows.append((name, one_line(accepted), getattr(config, name), one_line(meaning)))
    return rows


def one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        print(page(), end="")
