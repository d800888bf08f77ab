"""Kinds of values that one keyword has for itself (or two): what may be written there, and what it means.

As in `desired.kinds`: a `Field` in, a `Reading` out. Pure; must never raise, whatever the text is.
"""

import re
from collections.abc import Callable

from desired.kinds import INT_MAX, UINT_MAX, Kind, clamped, cleared, given, invalid, one_of
from desired.model import Failback, FailbackMode
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
    NoPathRetry,
    Reading,
    ReservationKey,
    RetryMode,
    UidAttrs,
    VpdVendor,
)

PERMISSION_BITS = 0o777
_UNSIGNED = re.compile(r"[ \t-\r]*([0-9]+)[ \t-\r]*")
_SCANNED = {8: re.compile(r"[ \t-\r]*([+-]?)([0-7]+)"), 10: re.compile(r"[ \t-\r]*([+-]?)([0-9]+)")}
_KEY = re.compile(r"0?[xX]?([0-9a-fA-F]{1,16})")
"""A reservation key has eight bytes (SPC-5, PERSISTENT RESERVE OUT parameter list)."""


def scanned(text: str, base: int) -> tuple[int, bool] | None:
    """The unsigned number of 32 bits that `sscanf` reads at the beginning of a text, and whether the text is just that
    number; None: there is none. A number with a sign, or too large, is cut to 32 bits, as ever."""
    found = _SCANNED[base].match(text)
    if not found:
        return None
    magnitude = int(found[2], base)
    if magnitude >= 2**64:
        return UINT_MAX, False
    value = (-magnitude if found[1] == "-" else magnitude) & UINT_MAX
    return value, value == magnitude and not text[found.end() :].strip()


def _read_polling(at: Field) -> Reading[int]:
    found = _UNSIGNED.fullmatch(at.text)
    value = int(found[1]) if found else UINT_MAX + 1
    # The largest number stands for "not set", so the next smaller one is used for it.
    return given(min(value, UINT_MAX - 1)) if value <= UINT_MAX else invalid(at, POLLING.expected)


def _read_longest_polling(at: Field) -> Reading[int]:
    found = _UNSIGNED.fullmatch(at.text)
    value = int(found[1]) if found else UINT_MAX + 1
    if value > UINT_MAX:
        return invalid(at, LONGEST_POLLING.expected)
    return given(value) if value else cleared()


POLLING: Kind[int] = Kind(expected="a whole number of seconds from 1", read=_read_polling)
"""An interval of checks. Some make multipath-tools crash or hang, which depends on other settings, too: see
`desired.polling`."""
LONGEST_POLLING: Kind[int] = Kind(expected=POLLING.expected, read=_read_longest_polling)
"""An interval that may be left to be computed (0)."""
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


def _read_dev_loss(at: Field) -> Reading[DevLoss]:
    if at.text == "infinity":
        return given(Infinity.INFINITY)
    found = scanned(at.text, 10)
    if found is None:
        return invalid(at, DEV_LOSS.expected)
    value, plain = found
    hint = "" if plain else f"expected {DEV_LOSS.expected}"
    if value == 0:
        return Reading(Effect.CLEAR, None, "", hint)
    return given(Infinity.INFINITY if value == UINT_MAX else value, hint=hint)


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
    found = scanned(at.text, 8)
    if found is None or found[0] > PERMISSION_BITS:
        return invalid(at, MODE_BITS.expected)
    return given(found[0], hint="" if found[1] else f"expected {MODE_BITS.expected}")


MODE_BITS: Kind[int] = Kind(expected="an octal file mode from 0 to 0777", read=_read_mode, write=_written_octal)


def _account_id(pick: Callable[[Account], int], expected: str) -> Kind[int]:
    def read(at: Field) -> Reading[int]:
        account = at.surroundings.accounts.get(at.text)
        if account is not None:
            return given(pick(account))
        found = scanned(at.text, 10)
        return given(found[0], hint="" if found[1] else f"expected {expected}") if found else invalid(at, expected)

    return Kind(expected=expected, read=read)


USER: Kind[int] = _account_id(lambda account: account.uid, "a user's name or number")
GROUP: Kind[int] = _account_id(
    lambda account: account.gid, "a group's number, or the name of a user (for that user's primary group)"
)


def _read_key(at: Field) -> Reading[ReservationKey]:
    if at.text == "file":
        return given(ReservationKey(None))
    digits, colon, suffix = at.text.partition(":")
    found = _KEY.fullmatch(digits)
    wrong_suffix = bool(colon) and suffix != "aptpl"
    if found is None or digits == "0" or wrong_suffix:
        return Reading(Effect.REFUSE, None, "", f"expected {KEY.expected}")
    key = int(found[1], 16)
    hint = "" if key else f"a key of 0 stands for none; expected {KEY.expected}"
    return given(ReservationKey(key, aptpl=bool(colon)), hint=hint)


KEY: Kind[ReservationKey] = Kind(
    expected="file, or 1 to 16 hexadecimal digits that are not all 0, optionally followed by :aptpl",
    words=("file",),
    read=_read_key,
)


def _read_uid_attrs(at: Field) -> Reading[UidAttrs]:
    words = [word.rpartition(":") for word in at.text.split(" ") if word]
    pairs = tuple((prefix, attribute) for prefix, colon, attribute in words if colon)
    without = [word for _, colon, word in words if not colon]
    if not without:
        return given(pairs)
    complaints = [f"invalid record in uid_attrs: {word}" for word in without]
    complaints.append(f'{at.place},error parsing uid_attrs: "{at.text}"')
    return given(pairs, "\n".join(complaints), f"there is no colon in {without[0]}")


UID_ATTRS_PAIRS: Kind[UidAttrs] = Kind(
    expected='pairs of a device name\'s beginning and a udev property, such as "sd:ID_SERIAL nvme:ID_WWN"',
    read=_read_uid_attrs,
    write=lambda pairs: " ".join(f"{prefix}:{attribute}" for prefix, attribute in pairs),
)
