"""What is remembered of a map's persistent reservation: whether its key is registered, which paths are settled.

Theory of operation. A cluster's tools (mpathpersist, fence_mpath ...) register a key through all paths of a map, and
say so (`setprstatus`). From then on every path that comes back, or is new, has to be registered too before it is used,
unless the key is not registered through any path any more: then another host fenced this one off, and the map's status
is *unset* until somebody sets it. When the daemon starts, nobody has said anything: the status is *unknown* until the
first usable path was asked.

    unknown --the key is registered--> set --it no longer is, or by command--> unset --by command--> set
       |---------it is not, or there is no key---------------------------------^

A path is *settled* when this was dealt with in its present epoch (`fencing`): each return begins another one.

In: commands, what came of steps. Out: what is known now. Pure; it must never make a step.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from actuators.steps import Changed, Lost, Outcome, Registered, RegisterKey, Unregistered
from observers.dmtable import DevT


class Status(StrEnum):
    """What is known of something that is so or not."""

    UNKNOWN = "unknown"
    UNSET = "unset"
    SET = "set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """`status`: whether the key is registered; `held`: whether a reservation is held under it.

    `ever`: whether it was registered since the daemon began, so that a path that comes back may be so still. `former`:
    the key that the present one is about to take the place of, 0: none. `settled`: paths with the epoch in which they
    were dealt with. `claimed`: paths that somebody says are registered.
    """

    status: Status = Status.UNKNOWN
    held: Status = Status.UNKNOWN
    ever: bool = False
    former: int = 0
    settled: Mapping[DevT, int] = field(default_factory=dict)
    claimed: frozenset[DevT] = frozenset()


def registered(memory: Reservation, *, claimed: Iterable[DevT] = ()) -> Reservation:
    """Somebody says that the key is registered. `claimed`: through these paths; all of them are looked at."""
    if memory.status is Status.SET:
        return replace(memory, former=0)
    return replace(
        memory, status=Status.SET, ever=True, former=0, settled={}, claimed=frozenset(claimed)
    )  # fmt: skip


def unregistered(memory: Reservation, epochs: Mapping[DevT, int]) -> Reservation:
    """It is not, and no reservation is held. `epochs`: paths that are left as they are for as long as they stay, which
    matters only where something was registered."""
    settled = {**memory.settled, **epochs} if memory.ever else {}
    return replace(
        memory, status=Status.UNSET, held=Status.UNSET, former=0, settled=settled, claimed=frozenset()
    )  # fmt: skip


def held(memory: Reservation, status: Status) -> Reservation:
    """Somebody says whether a reservation is held."""
    return replace(memory, held=status)


def changed_key(memory: Reservation, old: int, new: int) -> Reservation:
    """Another key is in force; who goes back to the key before never had the one in between registered."""
    return replace(memory, former=0 if memory.former == new else old)


def asked_anew(memory: Reservation) -> Reservation:
    """The configuration was read again: what was not registered may be by now."""
    if memory.status is not Status.UNSET:
        return memory
    return replace(memory, status=Status.UNKNOWN, held=Status.UNKNOWN, settled={})


def forgotten(memory: Reservation, devs: Collection[DevT]) -> Reservation:
    """Another device has each of these numbers now, or none has."""
    if memory.settled.keys().isdisjoint(devs):
        return memory
    return replace(memory, settled={dev: epoch for dev, epoch in memory.settled.items() if dev not in devs})


def after(memory: Reservation, step: RegisterKey, outcome: Outcome) -> Reservation:
    """What is known after a step. One that was refused is to be tried again, and so is one whose path has gone."""
    tried = replace(memory, claimed=memory.claimed - {step.dev})
    settled = replace(tried, settled={**memory.settled, step.dev: step.epoch})
    match outcome:
        case Registered() if memory.status is Status.UNSET:
            return replace(tried, ever=True)  # by command meanwhile: what was registered is to be taken back
        case Registered():
            holds = memory.held if outcome.held is None else Status.SET if outcome.held else Status.UNSET
            return replace(settled, status=Status.SET, ever=True, held=holds)
        case Unregistered():
            return unregistered(settled, {})
        case Changed():
            return settled
        case Lost():
            return tried
    return tried
