"""The guest: what `guest.wit` says, in Python. `componentize-py` makes a component of it."""

from __future__ import annotations

import os
import sys
import time
from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import host
from wit_world.imports.types import Point, Shape_Circle, Shape_Named, Shape_Nothing, Shape_Polygon


class Values(exports.Values):
    def numbers(self, a, b, c, d, e, f, g, h):
        return (a, b, c, d, e, f, g, h)

    def floats(self, a, b):
        return (a, b)

    def texts(self, a, b, c):
        return (a, b, c)

    def bytes_of(self, a):
        return a

    def mirror(self, p):
        return Point(-p.x, -p.y_axis, p.label[::-1])

    def lines(self, lines):
        return lines[::-1]

    def shapes(self, shapes):
        return shapes[::-1]

    def colors(self, colors):
        return colors[::-1]

    def allow(self, permissions):
        return ~permissions

    def nested(self, a):
        return a

    def divide(self, a, b):
        if b == 0:
            raise Err("division by zero")
        return a // b

    def divide_or_fail(self, a, b):
        return a // b


class Calls(exports.Calls):
    def look_up_all(self, keys):
        return [host.lookup(key) for key in keys]

    def shift_twice(self, x):
        try:
            point = host.shift(host.shift(Point(x, 0.5, "p")))
        except Err as error:
            raise Err(f"the host says: {error.value}") from error
        return f"{point.x} {point.y_axis} {point.label}"

    def describe_some(self):
        point = Point(1, 2.0, "three")
        return host.describe([Shape_Nothing(), Shape_Circle(1.5), Shape_Polygon([point, point]), Shape_Named("n")])

    def log_lines(self, prefix, lines):
        with host.Log(prefix) as log:
            return [log.write(line) for line in lines] + [host.Log.count()]


class System(exports.System):
    def read_file(self, path):
        try:
            with open(path) as file:
                return file.read()
        except OSError as error:
            raise Err(type(error).__name__) from error

    def write_file(self, path, text):
        try:
            with open(path, "w") as file:
                return file.write(text)
        except OSError as error:
            raise Err(type(error).__name__) from error

    def list_folder(self, path):
        try:
            return sorted(os.listdir(path))
        except OSError as error:
            raise Err(type(error).__name__) from error

    def wall_clock(self):
        return time.time()

    def sleep(self, seconds):
        start = time.monotonic()
        time.sleep(seconds)
        return time.monotonic() - start

    def environment(self, name):
        return os.environ.get(name)

    def arguments(self):
        return sys.argv

    def print_to(self, out, err):
        print(out, flush=True)
        print(err, file=sys.stderr, flush=True)

    def random(self, count):
        return os.urandom(count)
