"""Running a component: a command of WASI 0.2, or one function of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from .. import Engine, Store
from ..component import Char, Component, Err, EnumType, Func, InstanceExports, Linker, Record, String, Variant
from .failure import EXIT_FAILURE, EXIT_USAGE, Failure

#: The interface whose function `run` is the program; a version follows.
COMMAND_INTERFACE = "wasi:cli/run@"


def run_component(engine: Engine, store: Store, component: Component, file: str, invoked: str | None, words: Sequence[str]) -> int:
    """Run the program, or the function called `invoked` with `words` as its arguments, and return the exit code."""
    linker = Linker(engine)
    linker.add_wasip2()
    linker.add_wasi_http()
    functions = dict(functions_of(linker.instantiate(store, component).exports(store)))
    if invoked is not None:
        if invoked not in functions:
            raise Failure(f"{file} exports no function {invoked!r}; its functions are: {', '.join(functions) or 'none'}")
        return invoke(store, invoked, functions[invoked], words)
    for name, function in functions.items():
        if name.startswith(COMMAND_INTERFACE) and name.endswith(".run"):
            return EXIT_FAILURE if isinstance(function.with_results(tagged=True)(store), Err) else 0
    if functions:
        raise Failure(f"{file} is no program (it has no {COMMAND_INTERFACE[:-1]}); call one of its functions with --invoke: {', '.join(functions)}")
    return 0


def functions_of(exports: InstanceExports, prefix: str = "") -> Iterator[tuple[str, Func]]:
    """Names and functions; those of an exported interface as `interface.function`."""
    for name, item in exports.items():
        if isinstance(item, Func):
            yield prefix + name, item
        elif isinstance(item, InstanceExports):
            yield from functions_of(item, f"{prefix}{name}.")


def invoke(store: Store, name: str, function: Func, words: Sequence[str]) -> int:
    signature = function.type(store)
    if len(words) != len(signature.params):
        wanted = ", ".join(f"{param}: {kind!r}" for param, kind in signature.params) or "none"
        raise Failure(f"{name} takes {len(signature.params)} arguments ({wanted}), got {len(words)}", EXIT_USAGE)
    arguments = [parse_argument(name, param, kind, word) for (param, kind), word in zip(signature.params, words, strict=True)]
    try:
        result = function.with_results(tagged=True)(store, *arguments)
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise Failure(f"{name}: {error}", EXIT_USAGE) from error
    if signature.result is not None:
        print(result if isinstance(result, str) else json.dumps(plain(result), ensure_ascii=False))
    return 0


def parse_argument(name: str, param: str, kind: object, word: str) -> object:
    """A string as it is, anything else as JSON."""
    if isinstance(kind, String | Char | EnumType):
        return word
    try:
        return json.loads(word)
    except ValueError as error:
        raise Failure(f"{name}: {param} must be a {kind!r} in JSON, got {word!r}", EXIT_USAGE) from error


def plain(value: object) -> object:
    """A value as JSON has it: a variant as an object of one member, flags and bytes as lists."""
    match value:
        case Record():
            return {field: plain(item) for field, item in vars(value).items()}
        case Variant():
            return {value.tag: plain(value.payload)}
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case set():
            return sorted(value)
        case bytes():
            return list(value)
        case list() | tuple():
            return [plain(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            return repr(value)
