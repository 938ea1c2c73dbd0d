"""Compiled code that is kept between runs: options, and what is said about it."""

from __future__ import annotations

import argparse
import os
import sys

from .._cache import CodeCache, default_cache


class ReportingCache(CodeCache):
    """A cache that says on standard error what it did."""

    def report(self, found: str | None, path: str) -> None:
        outcome = {"took": "took the compiled code from", "kept": "compiled, and kept the code in", None: "compiled, without use of"}[found]
        print(f"ferrowasm: {outcome} the cache ({os.path.basename(path)[:12]})", file=sys.stderr)
        if self.problem is not None:
            print(f"ferrowasm: cache: {self.problem}", file=sys.stderr)


def add_cache_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-cache", action="store_true", help="compile anew, and keep nothing for later runs")
    parser.add_argument("-v", "--verbose", action="store_true", help="say on standard error whether the compiled code was in the cache")


def cache_of(options: argparse.Namespace) -> CodeCache | None:
    """The cache that the options ask for."""
    if options.no_cache:
        return None
    return default_cache(ReportingCache if options.verbose else CodeCache)
