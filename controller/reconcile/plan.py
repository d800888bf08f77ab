"""The nouns of a decision: a plan per map, why it is so, and what must be remembered until the next time."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from actuators.steps import RecordStep, Step
from observers.snapshot import Alias, DmUuid, Wwid


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPlan:
    """The steps of one map, in order; `reasons` is never empty: a plan that changes nothing says why.

    `action`: one word for people (`create`, `reload`, `resize`, `rename`, `remove`, `switch`, `paths`, `queueing`,
    `nothing`, `held`), several joined by `+`.
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

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in the order in which they are done."""
        return (*self.records, *(step for each in self.maps for step in each.steps))

    @property
    def wake_at(self) -> float | None:
        """The earliest instant at which any map wants to be looked at again."""
        return min((each.wake_at for each in self.maps if each.wake_at is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A map whose steps the kernel refused: the same steps are not tried again before `retry_at` (monotonic)."""

    steps: tuple[Step, ...]
    message: str
    count: int
    retry_at: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What the planner must know of earlier cycles and can't see in a snapshot. Losing it costs time, never safety."""

    refusals: Mapping[Wwid, Refusal] = field(default_factory=dict)
    failback_since: Mapping[Wwid, float] = field(default_factory=dict)
    """Since when (monotonic) another group has been better than the one in use, for delayed failback."""
    udev_told_at: Mapping[Wwid, float] = field(default_factory=dict)
    """When (monotonic) udev was last made to look at a map: it gets time to answer before it is asked again."""
