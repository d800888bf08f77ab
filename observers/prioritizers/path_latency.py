"""The prioritizer `path_latency`: how fast a path answers reads, on a logarithmic scale.

In: a path, and `io_num=READS base_num=BASE` in either order. Out: how many times the longest latency that counts,
100 s, must be divided by BASE to come down to the path's, rounded down. It reads the first block, nothing else.
"""

import math
import re

from observers.asking import Dialogue, DirectRead, read
from observers.prioritizers.judging import Judgement, Unanswered
from observers.snapshot import Path

NAME = "path_latency"

_READS = 100
_LEAST_READS, _MOST_READS = 20, 200
_BASE = 1.77827941004
"""The fourth root of ten: four steps of priority are a factor of ten in time."""
_LEAST_BASE, _MOST_BASE = 1.1, 10.0
_LONGEST = 100_000_000.0
"""Microseconds; the shortest is 1, whose logarithm is 0."""

_NOTHING_COUNTS = 0
_READS_WORD = re.compile(r"io_num=(?=.)\+?([0-9]{0,9})")
_BASE_WORD = re.compile(r"base_num=(?=.)\+?([0-9]*\.?[0-9]*(?:[eE][+-]?[0-9]+)?)")
_WORDS = 2
"""Only so many are looked at."""


def ask(_path: Path, arguments: str, *, timeout: float) -> Dialogue[Judgement]:
    """See `Ask`."""
    parsed = _parsed(arguments)
    reads, base = parsed or (_READS, _BASE)
    scale, total = math.log(base), 0.0
    for _ in range(reads):
        block = yield from read(DirectRead(timeout=timeout))
        if not (block.whole and block.data):
            raise Unanswered(f"a read brought only {len(block.data)} bytes")
        total += _logarithm(block.seconds) / scale
    note = "" if parsed else f"prio_args are not valid; io_num={_READS} base_num={_BASE:.3f} used"
    return _judged(total / reads, longest=math.log(_LONGEST) / scale, note=note)


def _logarithm(seconds: float) -> float:
    """Of the whole microseconds that a read took; one that took none counts as one microsecond."""
    microseconds = round(seconds * 1_000_000_000) // 1000
    return math.log(microseconds) if microseconds > 0 else 0.0


def _judged(average: float, *, longest: float, note: str) -> Judgement:
    if average > longest:
        return Judgement(_NOTHING_COUNTS, "; ".join(filter(None, (note, "the average latency is over 100 s"))))
    return Judgement(int(longest - max(0.0, average)), note)


def _parsed(arguments: str) -> tuple[int, float] | None:
    """How many reads, and the logarithm's base; None unless both are there and in range."""
    reads: int | None = None
    base: float | None = None
    for word in arguments.split()[:_WORDS]:
        if match := _READS_WORD.match(word):
            reads = int(match[1] or 0)
        elif match := _BASE_WORD.match(word):
            base = _number(match[1])
    if reads is None or base is None:
        return None
    valid = _LEAST_READS <= reads <= _MOST_READS and _LEAST_BASE <= base <= _MOST_BASE
    return (reads, base) if valid else None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
