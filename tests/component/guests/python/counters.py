"""The resource `counter`: `componentize-py` looks for it in a module that is named like its interface."""

from __future__ import annotations

from wit_world.exports import counters

class Counter(counters.Counter):
    def __init__(self, start):
        self.count = start

    def increment(self, by):
        self.count += by
        return self.count

    def value(self):
        return self.count

    @classmethod
    def merge(cls, a, b):
        return cls(a.count + b.count)

    @classmethod
    def larger(cls, a, b):
        return a.count > b.count
