"""Plans made by hand, for the safety rules: steps on the map `a`, on a host where it runs."""

from typing import Any

from actuators.steps import (
    CreateMap,
    FailPath,
    MapRef,
    Ownership,
    ReinstatePath,
    ReloadMap,
    Step,
    UdevFlags,
)
from controller.reconcile.plan import MapPlan, Plan
from controller.reconcile.safety import Level, check
from desired.model import Desired
from observers.dmtable import MultipathTable, Sectors, format_table
from observers.snapshot import Alias, PathState, Snapshot, Wwid
from tests.planner.builders import (
    SIZE,
    desire,
    dev,
    disk,
    running,
    snapshot,
    uuid,
    wanted,
)

A = MapRef(uuid("a"), Alias("a"))
DOWN = PathState.DOWN
LIVE = running(wanted("a", [0, 1], [2]))


def text_of(shape: MultipathTable | None) -> str | None:
    return format_table(shape) if shape else None


def create(text: str, size: int = SIZE, name: str = "a") -> CreateMap:
    ref = MapRef(uuid("a"), Alias(name))
    return CreateMap(
        map=ref, size=Sectors(size), table=text, read_only=False, ownership=Ownership(), udev=UdevFlags.NONE
    )


def reload(shape: MultipathTable | str, **more: Any) -> ReloadMap:
    fields = {
        "map": A,
        "size": SIZE,
        "table": shape if isinstance(shape, str) else format_table(shape),
        "read_only": False,
        "flush": False,
        "expected": text_of(LIVE.table),
        "udev": UdevFlags.NONE,
    }
    return ReloadMap(**{**fields, **more})


def fail(number: int) -> FailPath:
    return FailPath(map=A, dev=dev(number), name=disk(number).name)


def reinstate(number: int) -> ReinstatePath:
    return ReinstatePath(map=A, dev=dev(number), name=disk(number).name)


def of(*steps: Step, name: str = "a") -> MapPlan:
    return MapPlan(
        wwid=Wwid(f"3{name}"), uuid=uuid(name), name=Alias(name), action="test", steps=steps, reasons=("test",)
    )


def found(
    *steps: Step, snap: Snapshot | None = None, want: Desired | None = None, level: Level = Level.FATAL
) -> list[str]:  # fmt: skip
    """The rules of one level that the steps of map `a` break, on a host where it runs unless said otherwise."""
    given = check(Plan(maps=(of(*steps),)), snap or snapshot(LIVE), want or desire(wanted("a", [0, 1], [2])))
    return [each.rule for each in given if each.level is level]
