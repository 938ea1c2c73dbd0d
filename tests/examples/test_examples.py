"""The example programs run without a warning and print what they say they print."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SHORT = sorted(path for path in EXAMPLES.glob("*.py") if path.name != "run.py")


def run(program: Path, *arguments: str, timeout: float = 60) -> str:
    finished = subprocess.run(
        [sys.executable, "-W", "error", program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    return finished.stdout


def announced_output(program: Path) -> str:
    """The comment under `# Output:` at the end of an example."""
    _, found, comment = program.read_text(encoding="utf-8").partition("\n# Output:\n")
    assert found, f"{program.name} does not say what it prints"
    return "".join(line.removeprefix("#").removeprefix(" ") for line in comment.splitlines(keepends=True))


@pytest.mark.parametrize("program", SHORT, ids=lambda path: path.stem)
def test_the_example_prints_what_it_says(program: Path) -> None:
    assert run(program) == announced_output(program)


def test_there_are_examples() -> None:
    assert {"hello", "callbacks", "memory_numpy", "linking", "wasi"} <= {path.stem for path in SHORT}


# The first compilation of C builds the C library for WASI too, which takes most of a minute on a slow machine.
@pytest.mark.timeout(400)
def test_the_main_example_counts_the_words_of_a_file_as_python_does(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("The cat and the dog's cat. 'THE' end\n")
    output = run(EXAMPLES / "run.py", str(text), timeout=300)
    table = re.findall(r"^   \| +(\d+) (\S+)$", output, re.MULTILINE)
    assert table == [("3", "the"), ("2", "cat"), ("1", "and"), ("1", "dog's"), ("1", "end")]
    assert "| 8 words, 5 distinct\n   Python counts the same" in output
    assert "gcd(1071, 462) = 21" in output
    assert "primes below 100000: 9592, the last is 99991" in output


def test_the_asgi_example_works_under_starlette() -> None:
    import asyncio
    import runpy

    from starlette.applications import Starlette
    from starlette.routing import Mount

    application = Starlette(routes=[Mount("/guest", runpy.run_path(str(EXAMPLES / "asgi.py"))["app"])])
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/guest/a", "root_path": "", "headers": [], "query_string": b""}
    asyncio.run(application(scope, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 200
