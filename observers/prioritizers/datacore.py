"""The prioritizer `datacore`: whether a path leads to the preferred DataCore server, by its name in the INQUIRY data.

In: a path, and `preferredsds=NAME` with an optional `timeout=MILLISECONDS` before or after it. Out: 1 when the server's
name contains NAME, else 0. It sends INQUIRY, nothing else.
"""

import re

from observers.asking import Dialogue
from observers.kernel.scsi import inquiry
from observers.prioritizers.judging import Judgement, Unanswered, inquire
from observers.snapshot import Path

NAME = "datacore"

_LENGTH = 255
_SERVER = slice(112, 128)
_SHORTEST = 2
_TIMEOUT, _PREFERRED = r"timeout=\s*([+-]?\w+)", r"preferredsds=\s*(\S+)"
_FORMS = (
    re.compile(rf"(?P<first>{_TIMEOUT})\s*{_PREFERRED}"),
    re.compile(rf"{_PREFERRED}\s+{_TIMEOUT}"),
    re.compile(_PREFERRED),
)
"""As multipath-tools reads them, in this order: a text of none of these forms is refused, what follows is ignored."""


def ask(_path: Path, arguments: str, *, timeout: float) -> Dialogue[Judgement]:
    """See `Ask`."""
    preferred, own_timeout = _parsed(arguments)
    data = yield from inquire(inquiry(length=_LENGTH), length=_LENGTH, timeout=own_timeout or timeout)
    server = data[_SERVER].partition(b"\0")[0].decode("utf-8", "surrogateescape")
    return Judgement(int(preferred in server), f"the server is called {server!r}")


def _parsed(arguments: str) -> tuple[str, float]:
    """The server's name, and seconds (0: not given)."""
    timed_first, timed_last, plain = (form.match(arguments) for form in _FORMS)
    name, seconds = "", 0.0
    if timed_first is not None and (number := _integer(timed_first[2])) is not None:
        name, seconds = timed_first[3], number / 1000
    elif timed_last is not None and (number := _integer(timed_last[2])) is not None:
        name, seconds = timed_last[1], number / 1000
    elif plain is not None:
        name = plain[1]
    if not name:
        raise Unanswered("prio_args are not of the form preferredsds=NAME [timeout=MILLISECONDS]")
    if len(name) < _SHORTEST:
        raise Unanswered(f"the name in prio_args is too short: {name!r}")
    return name, max(0.0, seconds)


_INTEGER = re.compile(r"([+-]?)(0[xX][0-9a-fA-F]{1,8}|[0-9]{1,9})")


def _integer(text: str) -> int | None:
    """The number at the beginning of a text as C's `%i` reads it: hexadecimal after 0x, octal after 0."""
    match = _INTEGER.match(text)
    if match is None:
        return None
    digits = match[2].lower()
    octal = re.match(r"0[0-7]*", digits)
    value = int(digits, 16) if digits.startswith("0x") else int(octal[0], 8) if octal else int(digits)
    return -value if match[1] == "-" else value
