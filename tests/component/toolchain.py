"""Guests from real toolchains: C programs as WASI 0.1 modules, components made out of core modules and of Python.

What was built is kept in `target/guests`, by the contents of what it was built from.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from ferrowasm import Engine, WasmtimeError
from ferrowasm.component import Component

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "target" / "guests"


@functools.cache
def component_new() -> Path:
    """The program `component-new`, built if it is not up to date."""
    command = ["cargo", "build", "--quiet", "--locked", "--release", "-p", "component-new"]
    subprocess.run(command, cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "component-new"


def kept(name: str, parts: Sequence[bytes], build: Callable[[Path, Path], None]) -> Path:
    """The file `name` that `build(folder, output)` makes from `parts`, or made at some time before."""
    digest = hashlib.sha256(b"\0".join([sys.version.encode(), *parts])).hexdigest()[:16]
    path = CACHE / f"{digest}-{name}"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            output = Path(folder, "output")
            build(Path(folder), output)
            output.replace(path)
    return path


def c_module(name: str, source: str, *flags: str) -> Path:
    """A C program, compiled by `zig cc` for WASI 0.1."""

    def build(folder: Path, output: Path) -> None:
        code = folder / f"{name}.c"
        code.write_text(source, encoding="utf-8")
        command = [sys.executable, "-m", "ziglang", "cc", "--target=wasm32-wasi", "-O1", "-o", str(output), str(code), *flags]
        subprocess.run(command, check=True)

    return kept(f"{name}.wasm", [source.encode(), *map(str.encode, flags)], build)


def component(name: str, module: bytes | str, *options: str, wit: str | None = None) -> Path:
    """A core module, binary or text, as a component of the world in `wit`; `options` are those of `component-new`."""
    data = module.encode() if isinstance(module, str) else module

    def build(folder: Path, output: Path) -> None:
        core, world = folder / "core", folder / "world.wit"
        core.write_bytes(data)
        world.write_text(wit or "", encoding="utf-8")
        command: list[str | Path] = [component_new(), core, "-o", output, *options]
        subprocess.run([*command, "--wit", world] if wit else command, check=True)

    return kept(f"{name}.component.wasm", [data, *map(str.encode, options), (wit or "").encode()], build)


def c_command(name: str, source: str) -> Path:
    """A C program as a command of WASI 0.2."""
    return component(name, c_module(name, source).read_bytes(), "--adapt", "command")


def python_component(folder: Path, app: str, world: str) -> Path:
    """The module `app` among the Python sources in a folder, as a component with a world of the WIT there.

    `componentize-py` takes about 15 seconds, and makes 18 MB.
    """
    sources = sorted([*folder.glob("*.py"), *folder.glob("*.wit")])
    parts = [source.name.encode() + b"\0" + source.read_bytes() for source in sources]

    def build(_: Path, output: Path) -> None:
        tool = Path(sys.executable).with_name("componentize-py")
        command: list[str | Path] = [tool, "-q", "-d", folder, "-w", world, "componentize", "-p", folder, app, "-o", output]
        subprocess.run(command, check=True)

    tools = f"componentize-py {version('componentize-py')} {app} {world}"
    return kept(f"{app}.component.wasm", [tools.encode(), *parts], build)


def compiled(engine: Engine, wasm: Path) -> Component:
    """The component in the file, whose code is kept beside it: a large one takes a while to compile."""
    code = wasm.with_suffix(".cwasm")
    if code.exists():
        try:
            return Component.deserialize_file(engine, code)
        except WasmtimeError:
            # It was compiled by another version of the engine, or with other settings.
            code.unlink()
    component = Component.from_file(engine, wasm)
    with tempfile.NamedTemporaryFile(dir=wasm.parent, delete=False) as file:
        file.write(component.serialize())
    os.replace(file.name, code)
    return component


@functools.cache
def wasi_wit() -> Path:
    """The folder with the WIT of WASI 0.2, wasi:http included, that the engine implements."""
    metadata = subprocess.run(["cargo", "metadata", "--locked", "--format-version=1"], cwd=ROOT, check=True, capture_output=True).stdout
    packages = json.loads(metadata)["packages"]
    manifest = next(package["manifest_path"] for package in packages if package["name"] == "wasmtime-wasi-http")
    return Path(manifest).parent / "wit" / "deps"


def c_guest(source: Path) -> Path:
    """A C program as a command that imports the world of the `.wit` file beside it, in terms of the canonical ABI."""
    folder = source.parent
    parts = [path.read_bytes() for path in (source, source.with_suffix(".wit"), *sorted(folder.glob("*.h")))]

    def build(work: Path, output: Path) -> None:
        wit = work / "wit"
        shutil.copytree(wasi_wit(), wit / "deps")
        shutil.copy(source.with_suffix(".wit"), wit)
        core = work / "core.wasm"
        subprocess.run([sys.executable, "-m", "ziglang", "cc", "--target=wasm32-wasi", "-O1", "-o", core, source], check=True)
        subprocess.run([component_new(), core, "-o", output, "--wit", wit, "--adapt", "command"], check=True)

    return kept(f"{source.stem}.component.wasm", parts, build)
