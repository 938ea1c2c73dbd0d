"""The page of switches says what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ferrowasm import Config

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_switches_is_up_to_date() -> None:
    tool = subprocess.run([sys.executable, ROOT / "tools" / "switches.py"], capture_output=True, text=True, timeout=60)
    assert (tool.returncode, tool.stderr) == (0, "")
    assert (ROOT / "docs" / "switches.md").read_text(encoding="utf-8") == tool.stdout, "run: python tools/switches.py --write"


def test_every_switch_is_on_the_page() -> None:
    page = (ROOT / "docs" / "switches.md").read_text(encoding="utf-8")
    config = Config()
    settable = [name for name in dir(config) if not name.startswith("_") and not callable(getattr(config, name)) and name != "cranelift_flags"]
    assert len(settable) > 90
    assert [name for name in settable if f"\n| `{name}` | " not in page] == []
