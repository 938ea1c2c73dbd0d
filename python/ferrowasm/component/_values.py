"""The value of a record."""

from __future__ import annotations

from typing import Any

__all__ = ["Record"]


class Record:
    """The value of a record: its fields are attributes.

    `Record(**fields)` makes one. A field can be read by its name in WIT (`record["my-field"]`) and as a Python identifier (`record.my_field`).
    Records are equal when they have the same fields with equal values.
    """

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        # Called for attributes that do not exist.
        kebab = name.replace("_", "-")
        if kebab in self.__dict__:
            return self.__dict__[kebab]
        raise AttributeError(f"the record has no field '{name}'")

    def __getitem__(self, name: str) -> Any:
        fields = self.__dict__
        for known in (name, name.replace("_", "-"), name.replace("-", "_")):
            if known in fields:
                return fields[known]
        raise KeyError(name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # fields can be assigned

    def __repr__(self) -> str:
        return "Record(" + ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items()) + ")"
