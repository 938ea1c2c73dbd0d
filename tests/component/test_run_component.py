"""`run` and `run_async` with a component made of a C program: WASI 0.2."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from toolchain import c_command

from ferrowasm import CompletedRun, Folder, MemoryFolder, RunTimeout, StopReason, run, run_async

SOURCE = Path(__file__).parent / "guests" / "c" / "command.c"


def command(*words: str, **settings: Any) -> CompletedRun:
    return run(c_command("command", SOURCE.read_text(encoding="utf-8")), words, **settings)


def test_arguments_variables_and_input_arrive() -> None:
    result = command("show", "ä", env={"A": "1"})
    assert result.stdout.decode().splitlines()[1:] == ["show", "ä", "A=1"]
    assert command("copy", input=b"some input" * 10_000).stdout == b"some input" * 10_000
    assert command("complain", "loudly").stderr == b"loudly"


def test_the_exit_code_and_a_trap_arrive() -> None:
    assert (command("succeed").returncode, command("fail").returncode) == (0, 1)
    assert command("abort").reason is StopReason.TRAPPED


def test_the_limits_hold() -> None:
    for words in (("spin",), ("sleep", "3600000")):
        with pytest.raises(RunTimeout):
            command(*words, timeout=0.3)
    result = command("fill", output_limit=10_000)
    assert (result.reason, len(result.stdout)) == (StopReason.OUTPUT_LIMIT, 10_000)
    assert command("spin", fuel=1_000_000).reason is StopReason.FUEL
    assert command("succeed", memory_limit=1000).reason is StopReason.MEMORY_LIMIT


def test_folders_in_memory_are_read_and_written() -> None:
    folder = MemoryFolder({"a": b"from the host"})
    assert command("read", "/data/a", mounts={"/data": folder}).stdout == b"from the host"
    assert command("write", "/data/b", input=b"from the guest", mounts={"/data": folder}).returncode == 0
    assert command("mkdir", "/data/c", mounts={"/data": folder}).returncode == 0
    assert folder.files() == {"a": b"from the host", "b": b"from the guest"}
    assert folder.folders() == ["c"]
    assert command("read", "/in/x.txt", mounts={"/in/x.txt": b"one file"}).stdout == b"one file"


def test_folders_of_the_host_are_read_only_unless_said(tmp_path: Path) -> None:
    assert command("write", "/data/a", input=b"x", mounts={"/data": tmp_path}).returncode != 0
    assert list(tmp_path.iterdir()) == []
    assert command("write", "/data/a", input=b"x", mounts={"/data": Folder(tmp_path, writable=True)}).returncode == 0
    assert (tmp_path / "a").read_bytes() == b"x"


@pytest.mark.parametrize("path", ["/data/../secret", "/secret", "/data/link", "/data/sub/../../secret", "../secret", "/etc/passwd", "/data/absolute"])
def test_no_path_leads_out_of_a_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    jail = tmp_path / "jail"
    (jail / "sub").mkdir(parents=True)
    (jail / "link").symlink_to("../secret")
    (jail / "absolute").symlink_to("/etc/passwd")
    result = command("read", path, mounts={"/data": Folder(jail, writable=True)})
    assert result.returncode != 0
    assert b"secret" not in result.stdout
    assert b"root" not in result.stdout


def test_pipes_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for word in ("read", "write"):
        result = command(word, "/data/pipe", mounts={"/data": Folder(tmp_path, writable=True)}, timeout=30)
        assert (result.returncode, result.reason) == (1, StopReason.EXITED)
        assert result.stdout == b"Not supported\n"


def test_cancelling_the_task_stops_a_component() -> None:
    async def main() -> None:
        program = c_command("command", SOURCE.read_text(encoding="utf-8"))
        await run_async(program, ["succeed"])
        for words in (["spin"], ["sleep", "3600000"]):
            task = asyncio.create_task(run_async(program, words))
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
