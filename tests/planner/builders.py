"""Small snapshots and desired states for the planner's tests, all from the same few numbers.

Disk `n` is `8:16n`, named `sda`, `sdb` …; a map called `a` has the WWID `3a`. A live map is made from a desired one by
what the kernel would show of it (`running`), so a test only says what is different.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from actuators.steps import Step
from controller.reconcile.plan import MapPlan, Memory, Plan
from controller.reconcile.planner import plan
from desired.model import (
    Admission,
    Desired,
    DesiredMap,
    Failback,
    FailbackMode,
    Member,
    Origin,
    OriginKind,
    Resolved,
    Verdict,
)
from observers.dmtable import DevT, MultipathTable, Sectors, TableGroup, TablePath
from observers.snapshot import (
    Alias,
    Alua,
    Bus,
    DeviceName,
    DmUuid,
    Gap,
    Health,
    HostFacts,
    Map,
    Path,
    PathState,
    Snapshot,
    Wwid,
)
from tests.planner.kernel import as_kernel_shows, fresh_status

SIZE = Sectors(131072)
ORIGIN = Origin(OriginKind.DEFAULTS)
MANUAL = Failback(FailbackMode.MANUAL)
IMMEDIATE = Failback(FailbackMode.IMMEDIATE)
FOLLOWOVER = Failback(FailbackMode.FOLLOWOVER)
HOST = HostFacts(kernel_release="6.1.0", dm_version=(4, 47, 0), multipath_target=(1, 14, 0), udev_running=True)
READY = {"MPATH_DEVICE_READY": "1"}
NOW = 1000.0


def delayed(seconds: int) -> Failback:
    return Failback(FailbackMode.DELAYED, seconds)


def dev(number: int) -> DevT:
    return DevT(f"8:{16 * number}")


def devs(*numbers: int) -> tuple[DevT, ...]:
    return tuple(map(dev, numbers))


def name_of(number: int) -> DeviceName:
    return DeviceName("sd" + chr(ord("a") + number)) if number < 26 else DeviceName(f"sd{number}")


def disk(number: int, state: PathState = PathState.UP, *, message: str = "", size: int = SIZE, tpgs: int = 3) -> Path:
    return Path(
        name=name_of(number),
        dev=dev(number),
        size=Sectors(size),
        bus=Bus.SCSI,
        health=Health("tur", state, message),
        alua=Alua(tpgs=tpgs),
        udev={"DM_MULTIPATH_DEVICE_PATH": "1"},
    )


def member(number: int, state: PathState = PathState.UP, *, announced: bool = True) -> Member:
    return Member(
        name=name_of(number),
        dev=dev(number),
        state=state,
        priority=Resolved(1, ORIGIN),
        sysfs=f"/sys/block/{name_of(number)}",
        announced=announced,
    )


def group(*numbers: int, selector: str = "service-time", args: Sequence[str] = ("1",)) -> TableGroup:
    return TableGroup(selector, (), tuple(TablePath(dev(number), tuple(args)) for number in numbers))


def table(
    *groups: TableGroup, size: int = SIZE, features: str = "", handler: str = "", best: int = 1
) -> MultipathTable:
    return MultipathTable(
        size=Sectors(size),
        features=tuple(features.split()),
        hardware_handler=tuple(handler.split()),
        initial_group=best,
        groups=groups,
    )


States = Mapping[int, PathState]


def wanted(
    name: str, *groups: Sequence[int], states: States | None = None, alias: str = "", failback: Failback = IMMEDIATE,
    shape: MultipathTable | None = None, policy: str = "multibus", announced: bool = True, **more: Any,
) -> DesiredMap:  # fmt: skip
    """A desired map: `groups` are disk numbers; `shape` overrides the whole table; `more` are fields of DesiredMap."""
    states = states or {}
    made = shape or table(*(group(*numbers) for numbers in groups))
    numbers = [number for each in groups for number in each]
    return DesiredMap(
        wwid=Wwid(f"3{name}"),
        alias=Resolved(Alias(alias or name), ORIGIN),
        table=made,
        members=tuple(member(n, states.get(n, PathState.UP), announced=announced) for n in numbers),
        failback=Resolved(failback, ORIGIN),
        properties={"path_grouping_policy": Resolved(policy, ORIGIN)},
        **more,
    )


def running(
    want: DesiredMap, *, failed: Sequence[int] = (), next_group: int = 1, number: int = 0, **more: Any
) -> Map:  # fmt: skip
    """The map that exists when `want` was made: `failed` paths are failed in dm; `more` are fields of Map."""
    shown = replace(as_kernel_shows(want.table), initial_group=next_group if want.table.groups else 0)
    status = fresh_status(shown)
    gone = set(devs(*failed))
    groups = tuple(
        replace(each, paths=tuple(replace(path, active=path.dev not in gone) for path in each.paths))
        for each in status.groups
    )
    fields: dict[str, Any] = {
        "name": want.alias.value,
        "uuid": want.uuid,
        "dev": DevT(f"253:{number}"),
        "table": shown,
        "status": replace(status, groups=groups),
        "udev": READY,
    }
    return Map(**{**fields, **more})


def snapshot(
    *maps: Map, disks: Sequence[Path] | int = 8, states: States | None = None, gaps: Sequence[Gap] = (), **more: Any
) -> Snapshot:  # fmt: skip
    """A snapshot: `disks` by number, or as they are; `more` are fields of Snapshot."""
    states = states or {}
    paths = [disk(n, states.get(n, PathState.UP)) for n in range(disks)] if isinstance(disks, int) else list(disks)
    return Snapshot(
        taken_at=0.0, host=more.pop("host", HOST), paths=tuple(paths), maps=tuple(maps), gaps=tuple(gaps), **more
    )


def admitted(number: int, name: str, verdict: Verdict = Verdict.ADMITTED, reason: str = "") -> Admission:
    return Admission(
        name=name_of(number), dev=dev(number), wwid=Wwid(f"3{name}"), verdict=verdict, reason=reason, origin=ORIGIN
    )


def desire(*maps: DesiredMap, admissions: Sequence[Admission] = (), **more: Any) -> Desired:
    """A desired state in which all members are admitted and all WWIDs are on file, unless said otherwise."""
    given = {each.dev: each for each in admissions}
    own = {
        each.dev: Admission(
            name=each.name, dev=each.dev, wwid=want.wwid, verdict=Verdict.ADMITTED, reason="", origin=ORIGIN
        )
        for want in maps
        for each in want.members
    }
    fields: dict[str, Any] = {"wwids": frozenset(want.wwid for want in maps), "keep": {}}
    return Desired(maps=maps, admissions=tuple({**own, **given}.values()), **{**fields, **more})


def planned(snap: Snapshot, want: Desired, memory: Memory | None = None, now: float = NOW) -> Plan:
    return plan(snap, want, memory or Memory(), now)[0]


def only(made: Plan) -> MapPlan:
    """The plan of the one map that there is."""
    assert len(made.maps) == 1
    return made.maps[0]


def kinds(steps: Sequence[Step]) -> list[str]:
    return [type(step).__name__ for step in steps]


def states_of(state: PathState, *numbers: int) -> dict[int, PathState]:
    return dict.fromkeys(numbers, state)


def uuid(name: str) -> DmUuid:
    return DmUuid(f"mpath-3{name}")
