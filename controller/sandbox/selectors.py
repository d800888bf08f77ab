"""The path selectors of dm-multipath: which path of a group takes the next request, and what they print.

In: a selector's name with its arguments, and each path's. Out: `Selector` objects, or `OSError` EINVAL as the kernel's
constructors do. All requests of a sandbox end at once, so no path ever has more in flight than another, and every
selector takes its paths in turn. Facts: drivers/md/dm-ps-*.c of Linux 6.1.
"""

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from controller.sandbox.errors import refusal

_HISTORICAL_WEIGHT = 972
"""HST_FIXED_95: the base weight unless another is given."""

_FIXED_1 = 1024
_MAX_THROUGHPUT = 100


@dataclass(frozen=True, slots=True)
class Texts:
    """What a path's arguments become in the table and in the status."""

    table: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectorType:
    """A kind of selector. `table_words`, `status_words`: how many words a path has; `create`: from the selector's own
    arguments what it prints of itself, for the table and for the status; `path`: a path's arguments."""

    table_words: int
    status_words: int
    create: Callable[[Sequence[str]], Texts]
    path: Callable[[Sequence[str]], Texts]


def unsigned(word: str) -> int:
    """A number as the kernel's `sscanf("%u%c")` takes it: digits, and nothing after them (EINVAL)."""
    if not (word.isascii() and word.isdigit()):
        raise refusal(errno.EINVAL, f"{word!r} is not an unsigned number")
    return int(word)


def _at_most(args: Sequence[str], count: int) -> list[int]:
    if len(args) > count:
        raise refusal(errno.EINVAL, "incorrect number of selector arguments")
    return [unsigned(word) for word in args]


def _no_arguments(_args: Sequence[str]) -> Texts:
    """These selectors take any arguments of their own and drop them."""
    return Texts("0", "0")


def _round_robin(args: Sequence[str]) -> Texts:
    _at_most(args, 1)
    return Texts("1", "")  # a repeat count other than 1 is deprecated: the kernel takes it and uses 1


def _queue_length(args: Sequence[str]) -> Texts:
    _at_most(args, 1)
    return Texts("1", "0")


def _service_time(args: Sequence[str]) -> Texts:
    numbers = _at_most(args, 2)
    throughput = numbers[1] if len(numbers) > 1 else 1
    if throughput > _MAX_THROUGHPUT:
        raise refusal(errno.EINVAL, "service-time: invalid relative_throughput value")
    return Texts(f"1 {throughput}", f"0 {throughput}")


def _historical(args: Sequence[str]) -> Texts:
    numbers = _at_most(args, 2)
    weight = numbers[0] if numbers else _HISTORICAL_WEIGHT
    if weight >= _FIXED_1:
        raise refusal(errno.EINVAL, "historical-service-time: invalid base weight")
    text = f"2 {weight} {numbers[1] if len(numbers) > 1 else 0}"
    return Texts(text, text)


def _historical_path(args: Sequence[str]) -> Texts:
    _at_most(args, 1)
    return Texts("0", f"{_FIXED_1} 0 0")


def _io_affinity_path(args: Sequence[str]) -> Texts:
    digits = args[0].replace(",", "") if len(args) == 1 else ""
    if not digits or any(digit not in "0123456789abcdefABCDEF" for digit in digits) or not int(digits, 16):
        raise refusal(errno.EINVAL, "io-affinity: invalid cpumask")
    return Texts(f"{int(digits, 16):x}", "0")


SELECTORS: Mapping[str, SelectorType] = {
    "round-robin": SelectorType(table_words=1, status_words=0, create=_no_arguments, path=_round_robin),
    "queue-length": SelectorType(table_words=1, status_words=1, create=_no_arguments, path=_queue_length),
    "service-time": SelectorType(table_words=2, status_words=2, create=_no_arguments, path=_service_time),
    "historical-service-time": SelectorType(table_words=1, status_words=3, create=_historical, path=_historical_path),
    "io-affinity": SelectorType(table_words=1, status_words=1, create=_no_arguments, path=_io_affinity_path),
}


def find_selector(name: str) -> SelectorType:
    """A kind of selector by its name (EINVAL: the kernel has no such module)."""
    found = SELECTORS.get(name)
    if found is None:
        raise refusal(errno.EINVAL, f"unknown path selector type {name!r}")
    return found
