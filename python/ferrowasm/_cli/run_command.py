"""`ferrowasm run FILE`: run a WASI program, or one function of a module or component."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import Config, DirPerms, Engine, ExitTrap, FilePerms, Func, Linker, Module, Store, WasiConfig
from .caching import add_cache_options, cache_of
from .command import Command
from .failure import Failure
from .interruption import ended_by_control_c
from .invoke import format_value, parse_arguments
from .source import Source, blaming, read_source

DESCRIPTION = """\
Run a WASI program. It sees the arguments and variables given here and the
folders opened with --dir, and nothing else of this machine.

--dir, --env and --invoke may stand before FILE or among the ARGS; every other
option after FILE is an argument of the program. After -- everything is: write
it in front of arguments that come from elsewhere.
"""

USAGE = "ferrowasm run [OPTIONS] FILE [--] [ARGS...]"


@dataclass(frozen=True)
class OpenedDir:
    """A folder that the program may use."""

    host: str
    guest: str
    read_only: bool


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = USAGE
    add_guest_options(parser)
    add_cache_options(parser)
    # One argument for both: argparse would take the -- behind FILE for its own.
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs=argparse.PARSER,
        action=ProgramAndArguments,
        help="a .wasm, .wat or compiled file (- reads standard input), and the arguments of the program, or of the function that --invoke names",
    )


def add_guest_options(parser: argparse.ArgumentParser) -> None:
    """The options that are recognised before FILE and among the arguments of the program."""
    parser.add_argument(
        "--dir",
        metavar="HOST[::GUEST][:ro]",
        dest="dirs",
        type=parse_dir,
        action="append",
        default=[],
        help="let the program use the folder HOST under the name GUEST (the same name unless told); with :ro for reading only",
    )
    parser.add_argument(
        "--env",
        metavar="NAME[=VALUE]",
        type=parse_env,
        action="append",
        default=[],
        help="set an environment variable of the program; without a value, to the one that it has here",
    )
    parser.add_argument("--invoke", metavar="NAME", help="call the exported function NAME with ARGS and print its results, one a line")


class ProgramAndArguments(argparse.Action):
    """Sets `file`, and `args` to what belongs to the program among the words after it."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: str | Sequence[Any] | None, option_string: str | None = None
    ) -> None:
        file, *words = [str(value) for value in values or ()]
        if file == "--" and words:
            file, *words = words
        end = words.index("--") if "--" in words else len(words)
        ours = argparse.ArgumentParser(prog=parser.prog, usage=USAGE, add_help=False, allow_abbrev=False)
        add_guest_options(ours)
        _, guest = ours.parse_known_args(words[:end], namespace)
        namespace.file = file
        namespace.args = guest + words[end + 1 :]


def parse_dir(text: str) -> OpenedDir:
    folder = text.removesuffix(":ro")
    host, separator, guest = folder.partition("::")
    if not host or (separator and not guest):
        raise argparse.ArgumentTypeError(f"expected HOST, HOST::GUEST, HOST:ro or HOST::GUEST:ro, got {text!r}")
    return OpenedDir(host, guest or host, read_only=folder != text)


def parse_env(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    if separator:
        return name, value
    if name not in os.environ:
        raise argparse.ArgumentTypeError(f"{name} is not set here; give it a value with {name}=VALUE")
    return name, os.environ[name]


def execute(options: argparse.Namespace) -> int:
    source = replace(read_source(options.file), cache=cache_of(options))
    engine = engine_for(source)
    store = Store(engine)
    try:
        if source.kind.is_component:
            # Only who runs components pays for them.
            from .component_program import run_component

            component = source.component(engine)
            with blaming(source.name), ended_by_control_c():
                store.set_wasi(wasi(options))
                return run_component(engine, store, component, options.file, options.invoke, options.args)
        module = source.module(engine)
        with blaming(source.name), ended_by_control_c():
            store.set_wasi(wasi(options))
            run_module(engine, store, module, options)
    except ExitTrap as ended:
        return ended.code
    return 0


def engine_for(source: Source) -> Engine:
    """An engine whose backtraces tell places in the source code, if the module has debug information."""
    config = Config()
    # A compiled module has to be loaded with the settings that it was compiled with: the defaults.
    if not source.kind.is_compiled:
        config.wasm_backtrace_details = "enable"
    return Engine(config)


def wasi(options: argparse.Namespace) -> WasiConfig:
    """What the program sees of this machine."""
    config = WasiConfig()
    # As in a shell, argument 0 is the name of the program; the folders that lead to it are none of its business.
    config.argv = [Path(options.file).name, *([] if options.invoke else options.args)]
    config.env = options.env
    config.inherit_stdin()
    config.inherit_stdout()
    config.inherit_stderr()
    opened: OpenedDir
    for opened in options.dirs:
        if not Path(opened.host).is_dir():
            raise Failure(f"--dir {opened.host}: {'not a folder' if Path(opened.host).exists() else 'no such folder'}")
        if opened.read_only:
            config.preopen_dir(opened.host, opened.guest, DirPerms.READ_ONLY, FilePerms.READ_ONLY)
        else:
            config.preopen_dir(opened.host, opened.guest)
    return config


def run_module(engine: Engine, store: Store, module: Module, options: argparse.Namespace) -> None:
    """Start the program, or call the function that was named and print its results."""
    linker = Linker(engine)
    linker.define_wasi()
    exports = linker.instantiate(store, module).exports(store)
    items = {export.name: exports[export.name] for export in module.exports}
    functions = {name: item for name, item in items.items() if isinstance(item, Func)}
    # A library for WASI (a "reactor") sets itself up here before anything else of it may be called.
    if "_initialize" in functions:
        functions["_initialize"](store)
    if options.invoke is not None:
        if options.invoke not in functions:
            raise Failure(f"{options.file} exports no function {options.invoke!r}; its functions are: {', '.join(functions) or 'none'}")
        invoke(store, options.invoke, functions[options.invoke], options.args)
    elif "_start" in functions:
        functions["_start"](store)
    elif functions:
        raise Failure(f"{options.file} is no program (it has no '_start'); call one of its functions with --invoke: {', '.join(functions)}")


def invoke(store: Store, name: str, function: Func, words: Sequence[str]) -> None:
    signature = function.type(store)
    outcome = function(store, *parse_arguments(name, signature, words))
    # None, a value or a list, as the function has no, one or more results.
    results = outcome if len(signature.results) > 1 else [outcome] * len(signature.results)
    for result in results:
        print(format_value(result))


COMMAND = Command("run", "run a WASI program, or one function of a module or component", configure, execute, DESCRIPTION)
