"""Kinds of configuration values: how the text of a keyword becomes a typed value, and how the value is written again.

In: a `Field` (keyword, text, place, and what is known of the host). Out: a `Reading`: a value, nothing ("keep what was
there"), or a refusal of the file; with the sentence to tell. The sentences say what multipath-tools says, so that
scripts that look for them go on working; the hints are ours. Pure; must never raise, whatever the text is.

Here are the kinds that several keywords share; those of a single keyword are in `desired.keyword_kinds`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from desired.regex import BadExpression, Pattern, compile_pattern
from desired.values import Effect, Field, No, NoOr, Off, OffOr, Reading

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

LONG_MAX = 2**63 - 1
INT_MIN, INT_MAX, UINT_MAX = -(2**31), 2**31 - 1, 2**32 - 1
_NUMBER = re.compile(r"[ \t-\r]*([+-]?)([0-9]+)[ \t-\r]*")
_WORDS = re.compile(r"[^ \f\r\t\v]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """A kind of value: `expected` says in words what may be written, `words` lists the fixed words among it (for hints
    and completion), `read` turns text into a value, `write` turns the value into text that `read` takes."""

    expected: str
    words: tuple[str, ...] = ()
    read: Callable[[Field], Reading[T]]
    write: Callable[[T], str] = str


def given(value: T, complaint: str = "", hint: str = "") -> Reading[T]:
    """A usable value."""
    return Reading(Effect.SET, value, complaint, hint)


def invalid(at: Field, expected: str) -> Reading[T]:
    """A value that cannot be used; the earlier one stays."""
    complaint = f'{at.place}, invalid value for {at.keyword}: "{at.text}"'
    return Reading(Effect.KEEP, None, complaint, f"expected {expected}")


def cleared() -> Reading[T]:
    """A value that means: not set."""
    return Reading(Effect.CLEAR)


def number(text: str) -> int | None:
    """The decimal number that `strtol` reads, if nothing but blanks surrounds it; digits without end count as huge."""
    found = _NUMBER.fullmatch(text)
    if not found:
        return None
    magnitude = int(found[2].lstrip("0")[:20] or "0")
    return -magnitude if found[1] == "-" else magnitude


def clamped(at: Field, low: int, high: int, *, expected: str) -> Reading[int]:
    """A number forced into a range, with a word about it when that changed it."""
    value = number(at.text)
    if value is None:
        return invalid(at, expected)
    fitting = min(max(value, low), high)
    if fitting == value:
        return given(value)
    direction = "large" if value > high else "small"
    complaint = f"{at.place}, value for {at.keyword} too {direction}, capping at {fitting}"
    return given(fitting, complaint, f"expected {expected}")


def integer(low: int, high: int, *, zero_clears: bool = False, unit: str = "") -> Kind[int]:
    """A clamped integer. `zero_clears`: 0 stands for "not set"."""
    limit = "" if high == INT_MAX else f" to {high}"
    bounds = f"from {low}{limit}" if low != INT_MIN else "of any sign"
    expected = f"a whole number {bounds}" + (f", in {unit}" if unit else "")

    def read(at: Field) -> Reading[int]:
        reading = clamped(at, low, high, expected=expected)
        if zero_clears and reading.value == 0:
            return Reading(Effect.CLEAR, None, reading.complaint, reading.hint)
        return reading

    return Kind(expected=expected, read=read)


def _yes_or_no(value: bool) -> str:  # noqa: FBT001 - it writes the value itself
    return "yes" if value else "no"


def _read_yes_no(at: Field) -> Reading[bool]:
    if at.text in ("yes", "1"):
        return given(value=True)
    if at.text in ("no", "0"):
        return given(value=False)
    return invalid(at, YES_NO.expected)


YES_NO: Kind[bool] = Kind(expected="yes or no", words=("yes", "no"), read=_read_yes_no, write=_yes_or_no)


def one_of(words: type[E], *, also: Mapping[str, E] | None = None) -> Kind[E]:
    """One word of an enumeration; `also`: other spellings that mean one of them."""
    spellings = {word.value: word for word in words} | dict(also or {})
    names = tuple(word.value for word in words)
    expected = f"one of {', '.join(names)}"

    def read(at: Field) -> Reading[E]:
        word = spellings.get(at.text)
        return invalid(at, expected) if word is None else given(word)

    return Kind(expected=expected, words=names, read=read)


def off_or(low: int, high: int, *, unit: str) -> Kind[OffOr]:
    """`off`, 0 (which is another thing than off), or a clamped number."""
    expected = f"off, or a whole number of {unit} from 0" + ("" if high == INT_MAX else f" to {high}")

    def read(at: Field) -> Reading[OffOr]:
        if at.text == "off":
            return given(Off.OFF)
        if at.text == "0":
            return given(0)
        counted = clamped(at, low, high, expected=expected)
        return Reading(counted.effect, counted.value, counted.complaint, counted.hint)

    return Kind(expected=expected, words=("off",), read=read)


def _read_no_or(at: Field) -> Reading[NoOr]:
    if at.text in ("no", "0"):
        return given(No.NO)
    counted = clamped(at, 1, INT_MAX, expected=NO_OR_COUNT.expected)
    return Reading(counted.effect, counted.value, counted.complaint, counted.hint)


NO_OR_COUNT: Kind[NoOr] = Kind(expected="no, or a whole number from 1", words=("no",), read=_read_no_or)


def _read_text(at: Field) -> Reading[str]:
    return given(at.text)


TEXT: Kind[str] = Kind(expected="any text", read=_read_text)
EXPRESSION: Kind[str] = Kind(expected="an extended regular expression", read=_read_text)
"""An expression that is compiled only when devices are compared with it: one that is wrong matches nothing."""


def _read_plain_name(at: Field) -> Reading[str]:
    if "/" not in at.text:
        return given(at.text)
    complaint = f"{at.place}, {at.text} cannot contain a slash. Ignoring"
    return Reading(Effect.KEEP, None, complaint, f"expected {PLAIN_NAME.expected}")


PLAIN_NAME: Kind[str] = Kind(expected="a text without /, since it becomes part of a file name", read=_read_plain_name)


def _read_map_name(at: Field) -> Reading[str]:
    return _read_plain_name(at) if at.text else given("", hint=f"expected {MAP_NAME.expected}")


MAP_NAME: Kind[str] = Kind(expected="a name without /, since it becomes a file name", read=_read_map_name)


def counted_words(count_at: int, *, example: str) -> Kind[str]:
    """Words for the kernel with their count among them, at index `count_at`: `1 alua`, `service-time 0`."""
    expected = f'words with the count of those that follow it, such as "{example}"'

    def read(at: Field) -> Reading[str]:
        words = _WORDS.findall(at.text)
        count = number(words[count_at]) if len(words) > count_at else None
        if count is None or not 0 <= count <= LONG_MAX:
            complaint = f"{at.place}, missing argument count for {at.keyword}"
            return Reading(Effect.KEEP, None, complaint, f"expected {expected}")
        actual = len(words) - count_at - 1
        if count == actual:
            return given(at.text)
        complaint = f"{at.place}, invalid argument count for {at.keyword}:, got '{count}' expected '{actual}'"
        return Reading(Effect.KEEP, None, complaint, f"expected {expected}")

    return Kind(expected=expected, read=read)


def _read_rule(at: Field) -> Reading[Pattern]:
    try:
        return given(compile_pattern(at.text))
    except BadExpression as error:
        return Reading(Effect.REFUSE, None, "", f"{error}")


RULE: Kind[Pattern] = Kind(
    expected="an extended regular expression, negated by a leading !",
    read=_read_rule,
    write=lambda pattern: pattern.text,
)


def _read_nothing(_: Field) -> Reading[str]:
    return Reading(Effect.KEEP)


IGNORED: Kind[str] = Kind(expected="nothing: the keyword is ignored", read=_read_nothing)
