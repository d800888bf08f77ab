"""Keys of persistent reservations: the one that a map has, and the file in which multipathd keeps those of all maps.

In: the file's text, a map's resolved `reservation_key`. Out: a key, or the file's next text. Pure; it must never touch
the line of another map.

A line is `0x` (`0X`: activate persist through power loss), sixteen hex digits, a blank and the WWID. Taking a key away
makes its first character a `#`, and the same line is used again for the next key. Only the first line of a WWID counts.
What follows the last newline may be the beginning of a line that was never written to its end, and does not count.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from desired.model import Resolved
from desired.values import ReservationKey
from observers.snapshot import Wwid

KEYWORD = "reservation_key"
FROM_FILE = "file"
"""The value of that keyword for which the key is in the file."""

HEADER = """\
# Multipath persistent reservation keys, Version : 1.0
# NOTE: this file is automatically maintained by the multipathd program.
# You should not need to edit this file in normal circumstances.
#
# Format:
# prkey wwid
#
"""
"""The lines by which multipath-tools and we know the file; both write the same ones."""

_LINE = re.compile(r"([0#])([xX])([0-9a-fA-F]{16}) (\S+)")


def recorded(text: str | None) -> dict[Wwid, ReservationKey]:
    """The keys in a file's text; None: there is no file."""
    found: dict[Wwid, ReservationKey | None] = {}
    for match in filter(None, _matches((text or "").split("\n")[:-1])):
        used, capital, digits, wwid = match.groups()
        key = int(digits, 16)
        found.setdefault(Wwid(wwid), ReservationKey(key, capital == "X") if used == "0" and key else None)
    return {wwid: key for wwid, key in found.items() if key is not None}


def _matches(lines: Iterable[str]) -> Iterator[re.Match[str] | None]:
    return (_LINE.fullmatch(line) for line in lines)


def in_force(
    properties: Mapping[str, Resolved[str]], keys: Mapping[Wwid, ReservationKey], wwid: Wwid
) -> ReservationKey | None:
    """The key of a map, from the configuration or from the file. `keys`: those in the file."""
    configured = properties.get(KEYWORD)
    if configured is None:
        return None
    if configured.value == FROM_FILE:
        return keys.get(wwid)
    digits, _, suffix = configured.value.partition(":")
    key = int(digits, 16)
    return ReservationKey(key, suffix == "aptpl") if key else None


def rewritten(text: str | None, wwid: Wwid, key: ReservationKey | None) -> str:
    """The file's text with another key for a map; None: without one."""
    lines = (text or HEADER).removesuffix("\n").split("\n")
    at = next((number for number, match in enumerate(_matches(lines)) if match and match[4] == wwid), None)
    if key is None or key.key is None:
        if at is None:
            return text or ""
        lines[at] = "#" + lines[at][1:]
    else:
        place = len(lines) if at is None else at
        lines[place : place + 1] = [f"0{'X' if key.aptpl else 'x'}{key.key:016x} {wwid}"]
    return "\n".join(lines) + "\n"
