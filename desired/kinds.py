"""Kinds of configuration values: how the text of a keyword becomes a typed value, and how the value is written again.

In: a `Field` (keyword, text, place, and what is known of the host). Out: a `Reading`: a value, nothing ("keep what was
there"), or a refusal of the file; with the sentence to tell. The sentences say what multipath-tools says, so that
scripts that look for them go on working; the hints are ours. Pure; must never raise, whatever the text is.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from desired.model import Failback, FailbackMode
from desired.regex import BadExpression, Pattern, compile_pattern
from desired.values import (
    Account,
    DevLoss,
    Effect,
    Field,
    FindMultipaths,
    FlushOnLastDel,
    GroupingPolicy,
    Infinity,
    MarginalPathgroups,
    Max,
    MaxFds,
    No,
    NoOr,
    NoPathRetry,
    Off,
    OffOr,
    Reading,
    ReservationKey,
    RetryMode,
    UidAttrs,
    VpdVendor,
)

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

INT_MIN, INT_MAX, UINT_MAX = -(2**31), 2**31 - 1, 2**32 - 1
POLLING_LIMIT = 2**31
"""From here on multipath-tools computes with overflowing numbers and never finishes loading."""
PERMISSION_BITS = 0o777
_NUMBER = re.compile(r"[ \t-\r]*([+-]?)0*([0-9]+)[ \t-\r]*")
_UNSIGNED = re.compile(r"[ \t-\r]*\+?0*([0-9]+)")
_OCTAL = re.compile(r"[ \t-\r]*\+?0*([0-7]+)")
_KEY = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,16})")
"""A reservation key has eight bytes (SPC-5, PERSISTENT RESERVE OUT parameter list)."""


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
    magnitude = int(found[2][:20])
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


def _read_polling(at: Field) -> Reading[int]:
    value = number(at.text)
    if value is not None and 0 < value < POLLING_LIMIT:
        return given(value)
    complaint = f'{at.place}, invalid value for {at.keyword}: "{at.text}"'
    return Reading(Effect.REFUSE, None, complaint, f"expected {POLLING.expected}")


def _read_longest_polling(at: Field) -> Reading[int]:
    value = number(at.text)
    if value is None or not 0 <= value < POLLING_LIMIT:
        return invalid(at, POLLING.expected)
    return given(value) if value else cleared()


POLLING: Kind[int] = Kind(expected="a whole number of seconds from 1 to 2147483647", read=_read_polling)
"""An interval of checks. What is no such number makes multipath-tools crash or hang, so it refuses the file here."""
LONGEST_POLLING: Kind[int] = Kind(expected=POLLING.expected, read=_read_longest_polling)
"""An interval that may be left to be computed (0)."""


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


FIND_MULTIPATHS_WORDS: Kind[FindMultipaths] = one_of(
    FindMultipaths,
    also={"no": FindMultipaths.OFF, "0": FindMultipaths.OFF, "yes": FindMultipaths.ON, "1": FindMultipaths.ON},
)
MARGINAL_WORDS: Kind[MarginalPathgroups] = one_of(
    MarginalPathgroups,
    also={
        "no": MarginalPathgroups.OFF,
        "0": MarginalPathgroups.OFF,
        "yes": MarginalPathgroups.ON,
        "1": MarginalPathgroups.ON,
    },
)

_OLD_FLUSH_WORDS = {
    "yes": FlushOnLastDel.ALWAYS,
    "1": FlushOnLastDel.ALWAYS,
    "no": FlushOnLastDel.UNUSED,
    "0": FlushOnLastDel.UNUSED,
}
_FLUSH_WORDS = one_of(FlushOnLastDel)


def _read_flush(at: Field) -> Reading[FlushOnLastDel]:
    old = _OLD_FLUSH_WORDS.get(at.text)
    if old is None:
        return _FLUSH_WORDS.read(at)
    complaint = f'{at.place}, "{at.text}" is a deprecated value for {at.keyword} and is treated as "{old}"'
    return given(old, complaint, f"write {old}")


FLUSH: Kind[FlushOnLastDel] = Kind(expected=_FLUSH_WORDS.expected, words=_FLUSH_WORDS.words, read=_read_flush)


def _read_policy(at: Field) -> Reading[GroupingPolicy]:
    # Only as many letters as the policy's name has are compared, so that "failover 1" has always been accepted.
    for policy in GroupingPolicy:
        if at.text.startswith(policy.value):
            return given(policy)
    return invalid(at, POLICY.expected)


POLICY: Kind[GroupingPolicy] = Kind(
    expected=one_of(GroupingPolicy).expected, words=one_of(GroupingPolicy).words, read=_read_policy
)


def _read_vpd_vendor(at: Field) -> Reading[VpdVendor]:
    reading = one_of(VpdVendor).read(at)
    return cleared() if reading.value is VpdVendor.UNDEF else reading


VPD_VENDOR: Kind[VpdVendor] = Kind(expected="hp3par", words=("hp3par",), read=_read_vpd_vendor)


def _read_failback(at: Field) -> Reading[Failback]:
    for mode in (FailbackMode.MANUAL, FailbackMode.IMMEDIATE, FailbackMode.FOLLOWOVER):
        if at.text == mode.value:
            return given(Failback(mode))
    reading = clamped(at, 0, INT_MAX, expected=FAILBACK.expected)
    if reading.value is None:
        return invalid(at, FAILBACK.expected)
    if reading.value == 0:
        hint = "0 seconds leaves failback unset; write immediate to go back at once"
        return Reading(Effect.CLEAR, None, reading.complaint, hint)
    return given(Failback(FailbackMode.DELAYED, reading.value), reading.complaint, reading.hint)


FAILBACK: Kind[Failback] = Kind(
    expected="manual, immediate, followover, or a delay of 1 second and more",
    words=("manual", "immediate", "followover"),
    read=_read_failback,
)


def _read_retry(at: Field) -> Reading[NoPathRetry]:
    if at.text in ("fail", "0"):
        return given(RetryMode.FAIL)
    if at.text == "queue":
        return given(RetryMode.QUEUE)
    counted = clamped(at, 1, INT_MAX, expected=NO_PATH_RETRY_WORDS.expected)
    return Reading(counted.effect, counted.value, counted.complaint, counted.hint)


NO_PATH_RETRY_WORDS: Kind[NoPathRetry] = Kind(
    expected="fail, queue, or a number of checks from 1", words=("fail", "queue"), read=_read_retry
)


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


def _read_dev_loss(at: Field) -> Reading[DevLoss]:
    if at.text == "infinity":
        return given(Infinity.INFINITY)
    found = _UNSIGNED.fullmatch(at.text.rstrip(" \t\n\v\f\r"))
    value = int(found[1][:20]) if found else UINT_MAX + 1
    if value > UINT_MAX:
        return invalid(at, DEV_LOSS.expected)
    if value == 0:
        return cleared()
    return given(Infinity.INFINITY if value == UINT_MAX else value)


DEV_LOSS: Kind[DevLoss] = Kind(
    expected="infinity, or a whole number of seconds from 1", words=("infinity",), read=_read_dev_loss
)


def _read_max_fds(at: Field) -> Reading[MaxFds]:
    if at.text == "max":
        return given(Max.MAX)
    counted = clamped(at, 0, at.surroundings.nr_open, expected=MAX_FDS_WORDS.expected)
    return Reading(counted.effect, counted.value, counted.complaint, counted.hint)


MAX_FDS_WORDS: Kind[MaxFds] = Kind(
    expected="max, or a number of open files up to the kernel's nr_open", words=("max",), read=_read_max_fds
)


def _written_octal(value: int) -> str:
    return f"0{value:o}"


def _read_mode(at: Field) -> Reading[int]:
    found = _OCTAL.fullmatch(at.text)
    mode = int(found[1][:20], 8) if found else PERMISSION_BITS + 1
    return given(mode) if mode <= PERMISSION_BITS else invalid(at, MODE_BITS.expected)


MODE_BITS: Kind[int] = Kind(expected="an octal file mode from 0 to 0777", read=_read_mode, write=_written_octal)


def _account_id(pick: Callable[[Account], int], expected: str) -> Kind[int]:
    def read(at: Field) -> Reading[int]:
        account = at.surroundings.accounts.get(at.text)
        if account is not None:
            return given(pick(account))
        found = _UNSIGNED.fullmatch(at.text)
        value = int(found[1][:20]) if found else UINT_MAX + 1
        return given(value) if value <= UINT_MAX else invalid(at, expected)

    return Kind(expected=expected, read=read, write=_written_octal)


USER: Kind[int] = _account_id(lambda account: account.uid, "a user's name or number")
GROUP: Kind[int] = _account_id(
    lambda account: account.gid, "a group's number, or the name of a user (for that user's primary group)"
)


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
    return _read_plain_name(at) if at.text else invalid(at, MAP_NAME.expected)


MAP_NAME: Kind[str] = Kind(expected="a name without /, since it becomes a file name", read=_read_map_name)


def counted_words(count_at: int, *, example: str) -> Kind[str]:
    """Words for the kernel with their count among them, at index `count_at`: `1 alua`, `service-time 0`."""
    expected = f'words with the count of those that follow it, such as "{example}"'

    def read(at: Field) -> Reading[str]:
        words = at.text.split()
        count = number(words[count_at]) if len(words) > count_at else None
        if count is None or count < 0:
            complaint = f"{at.place}, missing argument count for {at.keyword}"
            return Reading(Effect.KEEP, None, complaint, f"expected {expected}")
        actual = len(words) - count_at - 1
        if count == actual:
            return given(at.text)
        complaint = f"{at.place}, invalid argument count for {at.keyword}:, got '{count}' expected '{actual}'"
        return Reading(Effect.KEEP, None, complaint, f"expected {expected}")

    return Kind(expected=expected, read=read)


def _read_key(at: Field) -> Reading[ReservationKey]:
    if at.text == "file":
        return given(ReservationKey(None))
    digits, colon, suffix = at.text.partition(":")
    found = _KEY.fullmatch(digits)
    wrong_suffix = bool(colon) and suffix != "aptpl"
    if found is None or wrong_suffix or int(found[1], 16) == 0:
        return Reading(Effect.REFUSE, None, "", f"expected {KEY.expected}")
    return given(ReservationKey(int(found[1], 16), aptpl=bool(colon)))


KEY: Kind[ReservationKey] = Kind(
    expected="file, or 1 to 16 hexadecimal digits that are not all 0, optionally followed by :aptpl",
    words=("file",),
    read=_read_key,
)


def _read_uid_attrs(at: Field) -> Reading[UidAttrs]:
    parts = [word.partition(":") for word in at.text.split()]
    pairs = tuple((prefix, attribute) for prefix, colon, attribute in parts if colon)
    without = [prefix for prefix, colon, _ in parts if not colon]
    if not without:
        return given(pairs)
    return given(pairs, f'{at.place},error parsing uid_attrs: "{at.text}"', f"there is no colon in {without[0]}")


UID_ATTRS_PAIRS: Kind[UidAttrs] = Kind(
    expected='pairs of a device name\'s beginning and a udev property, such as "sd:ID_SERIAL nvme:ID_WWN"',
    read=_read_uid_attrs,
    write=lambda pairs: " ".join(f"{prefix}:{attribute}" for prefix, attribute in pairs),
)


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
