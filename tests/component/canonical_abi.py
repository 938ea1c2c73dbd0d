"""A slow reference for the values of interface types: the canonical ABI in Python, to check the quick one against.

A `Type` draws random values of itself, writes them into an image of guest memory (`store`), reads them from one
(`load`), and knows something that is no value of it, with the exception that has to come (`wrong`). Nothing here uses
the package: the layouts are those of the component model's explainer of the canonical ABI.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

#: The address of the first byte of an image of memory that the reference writes.
BASE = 65536

ENCODINGS = ("utf8", "utf16", "latin1+utf16")
#: Marks the length of a string in UTF-16, where Latin-1 is possible too.
UTF16_TAG = 1 << 31


class Values(Protocol):
    """How the package under test spells values that have a class of their own."""

    def record(self, fields: dict[str, Any]) -> Any: ...
    def variant(self, tag: str, payload: Any) -> Any: ...


@dataclass
class Memory:
    """Guest memory as the reference sees it: bytes, and the encoding of strings in it."""

    image: bytearray
    encoding: str
    values: Values
    #: The address of the first byte of the image.
    base: int = 0

    def allocate(self, size: int, align: int) -> int:
        address = _aligned(self.base + len(self.image), align)
        self.image.extend(bytes(address + size - self.base - len(self.image)))
        return address

    def write(self, address: int, code: str, *numbers: float) -> None:
        struct.pack_into("<" + code, self.image, address - self.base, *numbers)

    def read(self, address: int, code: str) -> Any:
        [number] = struct.unpack_from("<" + code, self.image, address - self.base)
        return number

    def bytes_at(self, address: int, size: int) -> bytes:
        start = address - self.base
        assert 0 <= start and start + size <= len(self.image), "a pointer leads out of memory"
        return bytes(self.image[start : start + size])


@dataclass(frozen=True)
class Wrong:
    """Something that is no value of a type: what must be raised, and where in the value."""

    value: Any
    error: type[Exception]
    #: The place as the message names it: `[3].id`.
    path: str


def _aligned(address: int, align: int) -> int:
    return (address + align - 1) // align * align


class Type:
    """A type of values: `text` is its reference in the text format, `classes` the Python classes that its values have,
    by which untagged cases are told apart."""

    text: str
    size: int
    align: int
    classes: frozenset[str]

    def parts(self) -> Sequence[Type]:
        """The types that this one consists of."""
        return ()

    def definition(self) -> tuple[str, str] | None:
        """Name and text of a type that needs a name."""
        return None

    def random(self, rng: Random, values: Values) -> Any:
        raise NotImplementedError

    def wrong(self, rng: Random, values: Values) -> Wrong:
        """A value that has to be refused, usually deep inside."""
        raise NotImplementedError

    def store(self, memory: Memory, address: int, value: Any) -> None:
        raise NotImplementedError

    def load(self, memory: Memory, address: int) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        definition = self.definition()
        return definition[1] if definition else self.text


def definitions(ty: Type) -> dict[str, str]:
    """The named types that a type consists of, each after those that it mentions."""
    found: dict[str, str] = {}
    for part in ty.parts():
        found.update(definitions(part))
    definition = ty.definition()
    if definition is not None:
        found[definition[0]] = definition[1]
    return found


# --- types without parts ---


@dataclass(repr=False)
class Number(Type):
    """Integers and floats, by their code in `struct`."""

    text: str
    code: str

    def __post_init__(self) -> None:
        self.size = self.align = struct.calcsize(self.code)
        self.classes = frozenset({"float" if self.code in "fd" else "int"})

    def random(self, rng: Random, values: Values) -> Any:
        if self.code in "fd":
            return struct.unpack("<" + self.code, struct.pack("<" + self.code, rng.choice(_FLOATS)))[0]
        least, greatest = self._range()
        return rng.choice([least, greatest, 0, 1, rng.randint(least, greatest)])

    def _range(self) -> tuple[int, int]:
        bits = self.size * 8
        return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if self.code.islower() else (0, (1 << bits) - 1)

    def wrong(self, rng: Random, values: Values) -> Wrong:
        if self.code not in "fd" and rng.random() < 0.6:
            least, greatest = self._range()
            return Wrong(rng.choice([least - 1, greatest + 1, 1 << 80]), OverflowError, "")
        return Wrong(rng.choice(["1", None, b"1"]), TypeError, "")

    def store(self, memory: Memory, address: int, value: Any) -> None:
        memory.write(address, self.code, value)

    def load(self, memory: Memory, address: int) -> Any:
        return memory.read(address, self.code)


_FLOATS = (0.0, -0.0, 1.5, -2.25, 1e-40, 3.0e38, float("inf"), float("-inf"))


class Bool(Type):
    text, size, align, classes = "bool", 1, 1, frozenset({"bool"})

    def random(self, rng: Random, values: Values) -> Any:
        return rng.random() < 0.5

    def wrong(self, rng: Random, values: Values) -> Wrong:
        return Wrong(rng.choice([0, 1, "", None]), TypeError, "")

    def store(self, memory: Memory, address: int, value: Any) -> None:
        memory.write(address, "B", int(value))

    def load(self, memory: Memory, address: int) -> Any:
        return memory.read(address, "B") != 0


def random_char(rng: Random) -> str:
    greatest = rng.choice([0x7F, 0xFF, 0x7FF, 0xFFFF, 0x10FFFF])
    code = rng.randint(0, greatest)
    return "\uffff" if 0xD800 <= code < 0xE000 else chr(code)


class Char(Type):
    text, size, align, classes = "char", 4, 4, frozenset({"str"})

    def random(self, rng: Random, values: Values) -> Any:
        return random_char(rng)

    def wrong(self, rng: Random, values: Values) -> Wrong:
        if rng.random() < 0.3:
            return Wrong("\ud800", UnicodeEncodeError, "")
        return Wrong(rng.choice(["", "ab", 65, None]), TypeError, "")

    def store(self, memory: Memory, address: int, value: Any) -> None:
        memory.write(address, "I", ord(value))

    def load(self, memory: Memory, address: int) -> Any:
        return chr(memory.read(address, "I"))


class String(Type):
    text, size, align, classes = "string", 8, 4, frozenset({"str"})

    def random(self, rng: Random, values: Values) -> Any:
        return "".join(random_char(rng) for _ in range(rng.choice([0, 1, 3, 40])))

    def wrong(self, rng: Random, values: Values) -> Wrong:
        if rng.random() < 0.3:
            return Wrong("a\udc00", UnicodeEncodeError, "")
        return Wrong(rng.choice([b"a", 1, None]), TypeError, "")

    def store(self, memory: Memory, address: int, value: Any) -> None:
        if memory.encoding == "utf8":
            data, length, align = value.encode(), len(value.encode()), 1
        elif memory.encoding == "latin1+utf16" and all(ord(char) < 256 for char in value):
            data, length, align = value.encode("latin-1"), len(value), 2
        else:
            data = value.encode("utf-16-le")
            length, align = len(data) // 2, 2
            length |= UTF16_TAG if memory.encoding == "latin1+utf16" else 0
        start = memory.allocate(len(data), align)
        memory.image[start - memory.base : start - memory.base + len(data)] = data
        memory.write(address, "II", start, length)

    def load(self, memory: Memory, address: int) -> Any:
        start, length = memory.read(address, "I"), memory.read(address + 4, "I")
        if memory.encoding == "utf8":
            return memory.bytes_at(start, length).decode()
        assert start % 2 == 0, "a string is not aligned"
        if memory.encoding == "latin1+utf16" and not length & UTF16_TAG:
            return memory.bytes_at(start, length).decode("latin-1")
        return memory.bytes_at(start, (length & ~UTF16_TAG) * 2).decode("utf-16-le")


# --- types with parts ---


@dataclass(repr=False)
class List(Type):
    element: Type
    size = 8
    align = 4

    def __post_init__(self) -> None:
        self.text = f"(list {self.element.text})"
        self.classes = frozenset({"bytes" if self._is_bytes() else "list"})

    def _is_bytes(self) -> bool:
        return self.element.text == "u8"

    def parts(self) -> Sequence[Type]:
        return (self.element,)

    def random(self, rng: Random, values: Values) -> Any:
        items = [self.element.random(rng, values) for _ in range(rng.choice([0, 1, 2, 5]))]
        return bytes(items) if self._is_bytes() else items

    def wrong(self, rng: Random, values: Values) -> Wrong:
        if rng.random() < 0.2:
            return Wrong(rng.choice([None, 5, "text"]), TypeError, "")
        return _wrong_item(self.element, list(self.random(rng, values)), rng, values)

    def store(self, memory: Memory, address: int, value: Any) -> None:
        start = memory.allocate(self.element.size * len(value), self.element.align)
        memory.write(address, "II", start, len(value))
        for index, item in enumerate(value):
            self.element.store(memory, start + index * self.element.size, item)

    def load(self, memory: Memory, address: int) -> Any:
        start, length = memory.read(address, "I"), memory.read(address + 4, "I")
        assert start % self.element.align == 0, "a list is not aligned"
        memory.bytes_at(start, length * self.element.size)
        items = [self.element.load(memory, start + index * self.element.size) for index in range(length)]
        return bytes(items) if self._is_bytes() else items


def _wrong_item(element: Type, items: list[Any], rng: Random, values: Values) -> Wrong:
    at = rng.randint(0, len(items))
    inner = element.wrong(rng, values)
    return Wrong([*items[:at], inner.value, *items[at:]], inner.error, f"[{at}]{inner.path}")


@dataclass(repr=False)
class FixedList(Type):
    element: Type
    length: int

    def __post_init__(self) -> None:
        self.text = f"(list {self.element.text} {self.length})"
        self.size, self.align = self.element.size * self.length, self.element.align
        self.classes = frozenset({"bytes" if self._is_bytes() else "list"})

    def _is_bytes(self) -> bool:
        return self.element.text == "u8"

    def parts(self) -> Sequence[Type]:
        return (self.element,)

    def random(self, rng: Random, values: Values) -> Any:
        items = [self.element.random(rng, values) for _ in range(self.length)]
        return bytes(items) if self._is_bytes() else items

    def wrong(self, rng: Random, values: Values) -> Wrong:
        items = list(self.random(rng, values))
        if rng.random() < 0.3:
            return Wrong(items[:-1], ValueError, "")
        inner = self.element.wrong(rng, values)
        at = rng.randrange(self.length)
        items[at] = inner.value
        return Wrong(items, inner.error, f"[{at}]{inner.path}")

    def store(self, memory: Memory, address: int, value: Any) -> None:
        for index, item in enumerate(value):
            self.element.store(memory, address + index * self.element.size, item)

    def load(self, memory: Memory, address: int) -> Any:
        items = [self.element.load(memory, address + index * self.element.size) for index in range(self.length)]
        return bytes(items) if self._is_bytes() else items


class _Fields(Type):
    """Parts behind each other."""

    members: list[Type]

    def lay_out(self) -> None:
        self.align = max(member.align for member in self.members)
        offset, self.offsets = 0, []
        for member in self.members:
            offset = _aligned(offset, member.align)
            self.offsets.append(offset)
            offset += member.size
        self.size = _aligned(offset, self.align)

    def parts(self) -> Sequence[Type]:
        return self.members

    def _store(self, memory: Memory, address: int, items: Sequence[Any]) -> None:
        for member, offset, item in zip(self.members, self.offsets, items, strict=True):
            member.store(memory, address + offset, item)

    def _load(self, memory: Memory, address: int) -> list[Any]:
        return [
            member.load(memory, address + offset)
            for member, offset in zip(self.members, self.offsets, strict=True)
        ]


@dataclass(repr=False)
class Tuple(_Fields):
    members: list[Type]
    classes = frozenset({"tuple"})

    def __post_init__(self) -> None:
        self.text = f"(tuple {' '.join(member.text for member in self.members)})"
        self.lay_out()

    def random(self, rng: Random, values: Values) -> Any:
        return tuple(member.random(rng, values) for member in self.members)

    def wrong(self, rng: Random, values: Values) -> Wrong:
        items = list(self.random(rng, values))
        if rng.random() < 0.2:
            return Wrong((*items, 1), TypeError, "")
        at = rng.randrange(len(items))
        inner = self.members[at].wrong(rng, values)
        items[at] = inner.value
        return Wrong(tuple(items), inner.error, f"[{at}]{inner.path}")

    def store(self, memory: Memory, address: int, value: Any) -> None:
        self._store(memory, address, value)

    def load(self, memory: Memory, address: int) -> Any:
        return tuple(self._load(memory, address))


@dataclass(repr=False)
class Record(_Fields):
    name: str
    members: list[Type]
    classes = frozenset({"record"})

    def __post_init__(self) -> None:
        self.text = f"${self.name}"
        self.keys = [f"field-{index}" for index in range(len(self.members))]
        self.lay_out()

    def definition(self) -> tuple[str, str]:
        fields = [f'(field "{key}" {member.text})' for key, member in zip(self.keys, self.members, strict=True)]
        return self.name, f"(record {' '.join(fields)})"

    def random(self, rng: Random, values: Values) -> Any:
        return values.record({key: member.random(rng, values) for key, member in zip(self.keys, self.members, strict=True)})

    def wrong(self, rng: Random, values: Values) -> Wrong:
        fields = {key: member.random(rng, values) for key, member in zip(self.keys, self.members, strict=True)}
        at = rng.randrange(len(self.keys))
        if rng.random() < 0.2:
            del fields[self.keys[at]]
            return Wrong(fields, TypeError, "")
        inner = self.members[at].wrong(rng, values)
        fields[self.keys[at]] = inner.value
        return Wrong(fields, inner.error, f".{self.keys[at]}{inner.path}")

    def store(self, memory: Memory, address: int, value: Any) -> None:
        self._store(memory, address, [getattr(value, key) for key in self.keys])

    def load(self, memory: Memory, address: int) -> Any:
        return memory.values.record(dict(zip(self.keys, self._load(memory, address), strict=True)))


@dataclass(repr=False)
class Cases(Type):
    """Variants, options and results: one of some cases, each with or without a payload."""

    kind: str
    cases: list[tuple[str, Type | None]]
    name: str = ""

    def __post_init__(self) -> None:
        payloads = [ty for _, ty in self.cases if ty is not None]
        self.discriminant = "B" if len(self.cases) <= 256 else "H"
        head = struct.calcsize(self.discriminant)
        self.align = max([head, *(ty.align for ty in payloads)])
        self.offset = _aligned(head, max([1, *(ty.align for ty in payloads)]))
        self.size = _aligned(self.offset + max([0, *(ty.size for ty in payloads)]), self.align)
        self.tagged, self.classes = self._classes()
        match self.kind:
            case "variant":
                self.text = f"${self.name}"
            case "option":
                [payload] = payloads
                self.text = f"(option {payload.text})"
            case _:
                (_, ok), (_, err) = self.cases
                self.text = f"(result{f' {ok.text}' if ok else ''}{f' (error {err.text})' if err else ''})"

    def _classes(self) -> tuple[bool, frozenset[str]]:
        """Whether values have to be tagged, since two cases have payloads of one class."""
        seen: set[str] = set()
        tagged = False
        for _, ty in self.cases:
            classes = ty.classes if ty else {"nothing"}
            tagged = tagged or bool(seen & classes)
            seen |= classes
        return tagged, frozenset({"variant"}) if tagged else frozenset(seen)

    def parts(self) -> Sequence[Type]:
        return [ty for _, ty in self.cases if ty is not None]

    def definition(self) -> tuple[str, str] | None:
        if self.kind != "variant":
            return None
        cases = [f'(case "{tag}" {ty.text})' if ty else f'(case "{tag}")' for tag, ty in self.cases]
        return self.name, f"(variant {' '.join(cases)})"

    def random(self, rng: Random, values: Values) -> Any:
        tag, ty = rng.choice(self.cases)
        return self._value(tag, ty.random(rng, values) if ty else None, values)

    def _value(self, tag: str, payload: Any, values: Values) -> Any:
        return values.variant(tag, payload) if self.tagged else payload

    def wrong(self, rng: Random, values: Values) -> Wrong:
        payloads = [(tag, ty) for tag, ty in self.cases if ty is not None]
        if not self.tagged and "variant" in self.classes:
            # A `Variant` would be taken for the payload of the case that has such values.
            # Which exception an object of no class at all meets depends on the cases.
            return Wrong(object(), Exception, "")
        if not payloads or rng.random() < 0.2:
            return Wrong(values.variant("no-case", None), ValueError, "")
        tag, ty = rng.choice(payloads)
        inner = ty.wrong(rng, values)
        # What is wrong inside an option is wrong in the value: `some` is no part of the path.
        path = "" if self.kind == "option" else f".{tag}"
        return Wrong(values.variant(tag, inner.value), inner.error, path + inner.path)

    def store(self, memory: Memory, address: int, value: Any) -> None:
        index, payload = self._case_of(value)
        memory.write(address, self.discriminant, index)
        ty = self.cases[index][1]
        if ty is not None:
            ty.store(memory, address + self.offset, payload)

    def _case_of(self, value: Any) -> tuple[int, Any]:
        if self.tagged:
            [index] = [index for index, (tag, _) in enumerate(self.cases) if tag == value.tag]
            return index, value.payload
        name = _class_of(value)
        [index] = [
            index for index, (_, ty) in enumerate(self.cases) if name in (ty.classes if ty else {"nothing"})
        ]
        return index, value

    def load(self, memory: Memory, address: int) -> Any:
        tag, ty = self.cases[memory.read(address, self.discriminant)]
        return self._value(tag, ty.load(memory, address + self.offset) if ty else None, memory.values)


def _class_of(value: Any) -> str:
    name = type(value).__name__.lower()
    return "nothing" if value is None else name


@dataclass(repr=False)
class Enum(Type):
    name: str
    count: int
    classes = frozenset({"str"})

    def __post_init__(self) -> None:
        self.text = f"${self.name}"
        self.code = "B" if self.count <= 256 else "H"
        self.size = self.align = struct.calcsize(self.code)

    def definition(self) -> tuple[str, str]:
        cases = [f'"case-{index}"' for index in range(self.count)]
        return self.name, f"(enum {' '.join(cases)})"

    def random(self, rng: Random, values: Values) -> Any:
        return f"case-{rng.randrange(self.count)}"

    def wrong(self, rng: Random, values: Values) -> Wrong:
        return Wrong(f"case-{self.count}", ValueError, "") if rng.random() < 0.5 else Wrong(0, TypeError, "")

    def store(self, memory: Memory, address: int, value: Any) -> None:
        memory.write(address, self.code, int(value.removeprefix("case-")))

    def load(self, memory: Memory, address: int) -> Any:
        return f"case-{memory.read(address, self.code)}"


@dataclass(repr=False)
class Flags(Type):
    name: str
    count: int
    classes = frozenset({"set"})

    def __post_init__(self) -> None:
        self.text = f"${self.name}"
        self.code = "B" if self.count <= 8 else "H" if self.count <= 16 else "I"
        self.size = self.align = struct.calcsize(self.code)

    def definition(self) -> tuple[str, str]:
        flags = [f'"flag-{index}"' for index in range(self.count)]
        return self.name, f"(flags {' '.join(flags)})"

    def random(self, rng: Random, values: Values) -> Any:
        return {f"flag-{index}" for index in range(self.count) if rng.random() < 0.5}

    def wrong(self, rng: Random, values: Values) -> Wrong:
        return Wrong({f"flag-{self.count}"}, ValueError, "") if rng.random() < 0.5 else Wrong(3, TypeError, "")

    def store(self, memory: Memory, address: int, value: Any) -> None:
        memory.write(address, self.code, sum(1 << int(flag.removeprefix("flag-")) for flag in value))

    def load(self, memory: Memory, address: int) -> Any:
        bits = memory.read(address, self.code)
        assert bits >> self.count == 0, "a bit without a flag is set"
        return {f"flag-{index}" for index in range(self.count) if bits >> index & 1}


@dataclass(repr=False)
class Map(Type):
    """`map<K, V>` is a list of pairs, in which a later pair takes the place of an earlier one with its key."""

    key: Type
    value: Type
    size = 8
    align = 4
    classes = frozenset({"dict"})
    pairs: List = field(init=False)

    def __post_init__(self) -> None:
        self.text = f"(map {self.key.text} {self.value.text})"
        self.pairs = List(Tuple([self.key, self.value]))

    def parts(self) -> Sequence[Type]:
        return (self.key, self.value)

    def random(self, rng: Random, values: Values) -> Any:
        return dict(self.pairs.random(rng, values))

    def wrong(self, rng: Random, values: Values) -> Wrong:
        return Wrong(rng.choice([5, None]), TypeError, "")

    def store(self, memory: Memory, address: int, value: Any) -> None:
        self.pairs.store(memory, address, list(value.items()))

    def load(self, memory: Memory, address: int) -> Any:
        return dict(self.pairs.load(memory, address))


NUMBERS = [
    *(Number(f"{sign}{8 << power}", code) for sign, codes in (("s", "bhiq"), ("u", "BHIQ")) for power, code in enumerate(codes)),
    Number("f32", "f"),
    Number("f64", "d"),
]


def random_type(rng: Random, depth: int, names: Iterator[int]) -> Type:
    """A type with at most `depth` types inside each other; `names` numbers those that need a name."""
    if depth == 0 or rng.random() < 0.25:
        leaves = [*NUMBERS, Bool(), Char(), String(), String()]
        match rng.randrange(8):
            case 0:
                return Enum(f"t{next(names)}", rng.choice([1, 3, 256, 257]))
            case 1:
                return Flags(f"t{next(names)}", rng.choice([1, 8, 9, 16, 17, 32]))
            case _:
                return rng.choice(leaves)

    def inner() -> Type:
        return random_type(rng, depth - 1, names)

    def optional() -> Type | None:
        return inner() if rng.random() < 0.7 else None

    match rng.randrange(9):
        case 0 | 1:
            return List(inner())
        case 2:
            return Tuple([inner() for _ in range(rng.randint(1, 4))])
        case 3:
            members = [inner() for _ in range(rng.randint(1, 4))]
            return Record(f"t{next(names)}", members)
        case 4:
            cases = [(f"case-{index}", optional()) for index in range(rng.randint(1, 4))]
            return Cases("variant", cases, f"t{next(names)}")
        case 5:
            return Cases("option", [("none", None), ("some", inner())])
        case 6:
            return Cases("result", [("ok", optional()), ("err", optional())])
        case 7:
            return FixedList(inner(), rng.randint(1, 4))
        case _:
            return Map(rng.choice([*NUMBERS[:8], Bool(), Char(), String()]), inner())
