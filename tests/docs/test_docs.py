"""Everything that README.md and docs/ show is executed, page by page.

- A `python` block runs; the blocks of a page share one namespace. A `text` block right behind it is what it prints.
- A `console` block holds commands (`$ ...`) and what they print; it runs in the same folder as the page's Python blocks.
- Any other block (`sh`, `toml`, ...) is for reading.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

# A block, and the `text` block behind it if only white space lies between them.
BLOCK = re.compile(
    r"^```(?P<language>python|console)\n(?P<code>.*?)^```\n(?:\n*^```text\n(?P<output>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One executable block; `line` is the number of its first line within the page."""

    language: str
    code: str
    line: int
    output: str | None


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        yield Block(match["language"], match["code"], text.count("\n", 0, match.start("code")) + 1, match["output"])


def run_python(page: Path, block: Block, namespace: dict[str, Any]) -> str:
    """Run the block; tracebacks name the page and the line in it. Returns what it printed."""
    tree = ast.parse(block.code, filename=str(page))
    ast.increment_lineno(tree, block.line - 1)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, str(page), "exec"), namespace)
    return printed.getvalue()


def run_console(block: Block) -> str:
    """Run the commands in one shell and return the block as it should read: each command followed by all that it printed."""
    commands = [line.removeprefix("$ ") for line in block.code.splitlines() if line.startswith("$ ")]
    assert commands, f"line {block.line}: a console block needs a command ('$ ...')"
    # The separator keeps the exit code, so that `echo $?` works as the next command.
    script = "".join(f"{command}\ncode=$?; printf '\\0'; (exit $code)\n" for command in commands)
    environment = {**os.environ, "PATH": sysconfig.get_path("scripts") + os.pathsep + os.environ["PATH"], "COLUMNS": "80", "FERROWASM_CACHE_DIR": os.path.abspath(".cache")}
    shell = subprocess.run(
        ["sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, timeout=60
    )
    outputs = shell.stdout.decode().split("\0")
    return "".join(f"$ {command}\n{output}" for command, output in zip(commands, outputs, strict=False))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_page_shows_what_happens(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks_of(page):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        if block.language == "console":
            assert run_console(block) == block.code, where
        else:
            printed = run_python(page, block, namespace)
            assert printed == (block.output or ""), where


def test_the_pages_are_found_and_have_examples() -> None:
    examples = {page.relative_to(ROOT).as_posix(): len(list(blocks_of(page))) for page in PAGES}
    assert examples["README.md"] >= 1
    assert examples["docs/guide.md"] >= 8
    assert examples["docs/cli.md"] >= 5


def test_the_quick_start_is_under_twenty_lines() -> None:
    quick_start = next(blocks_of(ROOT / "README.md"))
    assert quick_start.language == "python"
    assert len(quick_start.code.splitlines()) < 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", prose)
    assert [link for link in links if not (page.parent / link).exists()] == []
