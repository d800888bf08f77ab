"""The nouns of a decision: a plan per map, why it is so, and what must be remembered until the next time."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from actuators.steps import RecordStep, Step
from controller.reconcile.health import PathMemory
from controller.reconcile.waiting import MapMemory
from observers.dmtable import DevT
from observers.snapshot import Alias, DmUuid, Wwid


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPlan:
    """The steps of one map, in order; `reasons` is never empty: a plan that changes nothing says why.

    `action`: one word for people (`create`, `keep`, `reload`, `resize`, `rename`, `remove`, `switch`, `paths`,
    `queueing`, `register`, `tunables`, `nothing`, `held`), several joined by `+`; `tunables` only when there is nothing
    else to do.
    """

    wwid: Wwid
    uuid: DmUuid
    name: Alias
    action: str
    steps: tuple[Step, ...] = ()
    reasons: tuple[str, ...]
    wake_at: float | None = None
    """When (monotonic seconds) to look again even if nothing happens; None: no need."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: first `records` (files that must be right before a map is made), then the maps in order."""

    records: tuple[RecordStep, ...] = ()
    maps: tuple[MapPlan, ...] = ()
    records_wake_at: float | None = None
    """When (monotonic seconds) records are tried again that were refused; None: none was."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in the order in which they are done."""
        return (*self.records, *(step for each in self.maps for step in each.steps))

    @property
    def wake_at(self) -> float | None:
        """The earliest instant at which any map wants to be looked at again, or a record be tried."""
        times = (self.records_wake_at, *(each.wake_at for each in self.maps))
        return min((each for each in times if each is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A map whose steps the kernel refused: the same steps are not tried again before `retry_at` (monotonic)."""

    steps: tuple[Step, ...]
    message: str
    count: int
    retry_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """A sysfs attribute that does not take what it was asked to: `asked` was written, `kept` is what it shows since.

    `why`: of a refusal, else empty (the kernel made another value of it). While both stay the same it is not asked
    again before `retry_at` (monotonic; None: not at all). `times`: how often in a row it refused.
    """

    asked: str
    kept: str
    why: str = ""
    retry_at: float | None = None
    times: int = 0


UDEV_PATIENCE = 60.0
"""Seconds that udev gets to look at a map before it is asked again. Upstream's missing_uev_wait_timeout is 30."""

_MOST_DOUBLED = 6


@dataclass(frozen=True, slots=True)
class UdevTold:
    """When (monotonic seconds) udev was last made to look at a map, and how often in a row without an answer."""

    at: float
    times: int = 1

    @property
    def again_at(self) -> float:
        """When it is made to look again: each time is twice as far away, for rules that lack what makes a map ready
        would have every map loaded again and again."""
        return self.at + UDEV_PATIENCE * 2.0 ** min(self.times - 1, _MOST_DOUBLED)


@dataclass(frozen=True, slots=True)
class Memory:
    """What the planner must know of earlier cycles and can't see in a snapshot. Losing it costs time, never safety."""

    refusals: Mapping[Wwid, Refusal] = field(default_factory=dict)
    failback_since: Mapping[Wwid, float] = field(default_factory=dict)
    """Since when (monotonic) another group has been better than the one in use, for delayed failback."""
    udev_told: Mapping[Wwid, UdevTold] = field(default_factory=dict)
    """When udev was last made to look at a map: it gets time to answer before it is asked again."""
    unmade: Mapping[Wwid, str] = field(default_factory=dict)
    """The maps that the kernel refused to make when it was last asked, and why."""
    tuned: Mapping[Wwid, Mapping[str, Tuned]] = field(default_factory=dict)
    """For each map the sysfs attributes, by their paths, that did not take the value that was written for it."""
    resident: bool = False
    """Whether whoever plans stays and watches over the maps. Only then has anything a deadline."""
    force_queueing: bool = False
    """Whether maps go on queueing when nobody watches over them any more, by command."""
    paths: Mapping[DevT, PathMemory] = field(default_factory=dict)
    maps: Mapping[Wwid, MapMemory] = field(default_factory=dict)
