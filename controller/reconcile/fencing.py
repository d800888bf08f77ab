"""Identity fencing: what makes a path suspect of being another logical unit, and what clears it.

Theory of operation. A disk's name, its number and its cached pages survive the logical unit behind it: an array that
maps another unit under the same number makes every write there damage. So there is an *epoch* of every path, which ends
with each event after which the unit behind it may be another one (`SUSPICIOUS`). Until the identity was read from the
device in the present epoch, it is *due*: the path is neither reinstated nor entered into a map. A reading carries the
epoch in which it began, so one that an event overtook clears nothing. One that contradicts counts whenever it began:
the path is quarantined, with both names, until a reading of its present epoch agrees again or the device goes away.

In: events, readings, what was known. Out: what is known now. Pure; must never take silence for agreement: a device that
does not answer leaves everything as it was.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from desired.identity import Standing
from observers.changing import changed
from observers.snapshot import Wwid


class Sign(Enum):
    """Something that was seen of a path's device, its port, its session, or its answers."""

    FIRST_SEEN = "first seen"
    CAME_UP = "came up"
    KERNEL_FAILED = "kernel failed it"
    RUNNING_AGAIN = "running again"
    SESSION_BACK = "session back"
    PORT_BACK = "port back"
    NAME_REUSED = "name reused"
    NOT_SUPPORTED = "05/25/00"
    LUNS_CHANGED = "06/3f/0e"
    INQUIRY_CHANGED = "06/3f/03"
    NEXUS_LOST = "06/29/07"
    CAPACITY_CHANGED = "06/2a/09"
    ACCESS_CHANGED = "06/2a/06"
    RESET = "06/29/00"
    TRANSITIONING = "02/04/0a"
    STANDBY = "02/04/0b"


SUSPICIOUS: Mapping[Sign, str] = {
    Sign.FIRST_SEEN: "it was never asked who it is",
    Sign.CAME_UP: "it was down, and is up again",
    Sign.KERNEL_FAILED: "the kernel failed it after an I/O error",
    Sign.RUNNING_AGAIN: "its device was offline or blocked, and runs again",
    Sign.SESSION_BACK: "its session was established anew",
    Sign.PORT_BACK: "its remote port came back",
    Sign.NAME_REUSED: "a device was added under a name that was in use before",
    Sign.NOT_SUPPORTED: "its target said that there is no such logical unit (05/25/00)",
    Sign.LUNS_CHANGED: "its target said REPORTED LUNS DATA HAS CHANGED (06/3f/0e)",
    Sign.INQUIRY_CHANGED: "it said INQUIRY DATA HAS CHANGED (06/3f/03)",
    Sign.NEXUS_LOST: "it said I_T NEXUS LOSS OCCURRED (06/29/07)",
}
"""After which signs the logical unit may be another one, with the reason in words that go on after "identity is to be
read: ". The others say nothing of which unit it is."""

SENSES: Mapping[tuple[int, int, int], Sign] = {
    (0x5, 0x25, 0x00): Sign.NOT_SUPPORTED,
    (0x6, 0x3F, 0x0E): Sign.LUNS_CHANGED,
    (0x6, 0x3F, 0x03): Sign.INQUIRY_CHANGED,
    (0x6, 0x29, 0x07): Sign.NEXUS_LOST,
    (0x6, 0x29, 0x00): Sign.RESET,
    (0x6, 0x2A, 0x09): Sign.CAPACITY_CHANGED,
    (0x6, 0x2A, 0x06): Sign.ACCESS_CHANGED,
    (0x2, 0x04, 0x0A): Sign.TRANSITIONING,
    (0x2, 0x04, 0x0B): Sign.STANDBY,
}
"""Sense key, additional sense code and qualifier (SPC-5 clause 4.4.2 and annex F)."""


def sign_of_sense(key: int, asc: int, ascq: int) -> Sign | None:
    """What sense data is a sign of; None: of nothing that matters here."""
    return SENSES.get((key, asc, ascq))


def suspects(signs: Iterable[Sign]) -> str:
    """Why a path is suspect after these signs, in words; empty: it is not."""
    return next((SUSPICIOUS[sign] for sign in signs if sign in SUSPICIOUS), "")


NOT_SAID = Wwid("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a device said of its identity, against what is believed of it.

    `epoch`: the path's `Identity.epoch` when the reading began. `believed`: the WWID by udev or by its map; `said`: the
    one by the device, empty where it gave none that can be named. `reason`: of a contradiction or of silence, in words.
    """

    epoch: int
    standing: Standing
    believed: Wwid
    said: Wwid = NOT_SAID
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """A path that said that it is another unit. `since`: monotonic seconds."""

    believed: Wwid
    said: Wwid
    since: float
    reason: str

    def __str__(self) -> str:
        says = f"its device says that it is {self.said}" if self.said else self.reason or "its device denies it"
        return f"quarantined: it is to be {self.believed}, and {says}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """How sure it is which unit a path leads to. `due`: why it must be read again first, empty: it was read."""

    epoch: int = 0
    due: str = SUSPICIOUS[Sign.FIRST_SEEN]
    quarantine: Quarantine | None = None


def doubt(identity: Identity, signs: Iterable[Sign]) -> Identity:
    """What is known after these signs. A suspicious one ends the epoch."""
    why = suspects(signs)
    return replace(identity, epoch=identity.epoch + 1, due=why) if why else identity


def read(identity: Identity, reading: Reading | None, *, now: float) -> Identity:
    """What is known after a reading; None, or one that brought nothing: as before."""
    if reading is None or reading.standing is Standing.UNREAD:
        return identity
    if reading.standing is Standing.CONTRADICTED:
        return replace(identity, quarantine=_quarantine(identity.quarantine, reading, now=now))
    if reading.epoch != identity.epoch:
        return identity
    return changed(identity, due="", quarantine=None)


def _quarantine(before: Quarantine | None, reading: Reading, *, now: float) -> Quarantine:
    since = before.since if before else now
    return Quarantine(believed=reading.believed, said=reading.said, since=since, reason=reading.reason)
