"""Random hosts for the properties: what is desired, what runs, and what is known of the paths.

Whatever is drawn could be seen on a real host: a live map has no path that is too small for it, a path is in one live
map, names are unique; desired maps have one size each and only admitted paths.
"""

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from desired.model import Admission, Desired, DesiredMap, Failback, Verdict
from observers.dmtable import DevT, GroupState, MultipathTable, Sectors
from observers.snapshot import Alias, DmDevice, DmUuid, Map, Path, PathState, Snapshot
from tests.planner.builders import (
    FOLLOWOVER,
    IMMEDIATE,
    MANUAL,
    READY,
    SIZE,
    admitted,
    delayed,
    desire,
    dev,
    disk,
    group,
    running,
    snapshot,
    table,
    wanted,
)

MAPS = "abcd"
DISKS = 10
FEATURES = ("", "queue_if_no_path", "pg_init_retries 5", "queue_if_no_path queue_mode bio")
SELECTORS = ("service-time", "round-robin", "queue-length", "historical-service-time")
FAILBACKS: tuple[Failback, ...] = (IMMEDIATE, MANUAL, FOLLOWOVER, delayed(30))
VERDICTS = (Verdict.MISMATCH, Verdict.BLACKLISTED, Verdict.UNVERIFIED)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One host."""

    snapshot: Snapshot
    desired: Desired


@st.composite
def shapes(draw: st.DrawFn, numbers: list[int], size: int, states: dict[int, PathState] | None) -> MultipathTable:
    """A table over these disks. With states, the best group is the first with a usable path."""
    chosen: list[int] = [draw(st.integers(0, 2)) for _ in numbers]
    selector = draw(st.sampled_from(SELECTORS))
    parts = [[n for n, where in zip(numbers, chosen, strict=True) if where == each] for each in range(3)]
    parts = [part for part in parts if part]
    args = (str(draw(st.sampled_from([1, 1, 100]))),)
    usable = [states is None or any(states[n].usable for n in part) for part in parts]
    return table(
        *(group(*part, selector=selector, args=args) for part in parts),
        size=size,
        features=draw(st.sampled_from(FEATURES)),
        handler=draw(st.sampled_from(["", "alua"])),
        best=usable.index(True) + 1 if True in usable else 1,
    )


@st.composite
def wants(draw: st.DrawFn, name: str, numbers: list[int], states: dict[int, PathState], alias: str) -> DesiredMap:
    shape = draw(shapes(numbers, draw(st.sampled_from([SIZE, SIZE, 2 * SIZE])), states))
    made = wanted(
        name,
        numbers,
        states=states,
        alias=alias,
        shape=shape,
        failback=draw(st.sampled_from(FAILBACKS)),
        policy=draw(st.sampled_from(["multibus", "group_by_prio"])),
        skip_kpartx=draw(st.booleans()),
        announced=draw(st.booleans()),
    )
    return replace(made, reject="paths of several sizes") if draw(st.integers(0, 9)) == 0 else made


@st.composite
def lives(draw: st.DrawFn, name: str, numbers: list[int], size: int, alias: str, number: int) -> Map:
    shape = draw(shapes(numbers, size, None))
    failed = draw(st.lists(st.sampled_from(numbers), unique=True))
    live = running(
        wanted(name, numbers, alias=alias, shape=shape),
        failed=failed,
        next_group=draw(st.integers(1, len(shape.groups))),
        number=number,
        open_count=draw(st.sampled_from([0, 0, 1])),
        inactive_table=draw(st.integers(0, 9)) == 0,
        suspended=draw(st.integers(0, 14)) == 0,
        udev=draw(st.sampled_from([READY, READY, {}, {"MPATH_DEVICE_READY": "0"}])),
    )
    if draw(st.integers(0, 14)) == 0:
        return replace(live, table=None, status=None)
    disabled = draw(st.integers(0, 9)) == 0
    assert live.status is not None
    first = replace(live.status.groups[0], state=GroupState.DISABLED)
    return replace(live, status=replace(live.status, groups=(first, *live.status.groups[1:]))) if disabled else live


@st.composite
def hosts(draw: st.DrawFn, *, odd_names: bool = True) -> Drawn:
    """A whole host. `odd_names`: devices may be called by the WWID of another map."""
    states = {n: draw(st.sampled_from([PathState.UP] * 3 + list(PathState))) for n in range(DISKS)}
    owner = [draw(st.sampled_from(["", *MAPS])) for _ in range(DISKS)]
    aliases = draw(st.permutations([*MAPS, "x"]))
    names = draw(st.permutations([*MAPS, "x", *(("3a", "3b") if odd_names else ("y", "z"))]))
    maps = [
        draw(wants(name, numbers, {n: states[n] for n in numbers}, alias))
        for name, alias in zip(MAPS, aliases, strict=False)
        if (numbers := [n for n in range(DISKS) if owner[n] == name]) and draw(st.integers(0, 5)) > 0
    ]
    needs = {each: want.table.size for want in maps for each in want.table.devices}
    disks = [_sized(draw, n, states[n], needs) for n in range(DISKS)]
    sizes = {each.dev: each.size for each in disks}
    runs = [draw(st.sampled_from(["", "", *MAPS])) for _ in range(DISKS)]
    live = [
        draw(lives(name, numbers, min(sizes[dev(n)] for n in numbers), alias, number))
        for number, (name, alias) in enumerate(zip(MAPS, names, strict=False))
        if (numbers := [n for n in range(DISKS) if runs[n] == name])
    ]
    keep = {each.wwid: "it is kept" for each in live if draw(st.integers(0, 9)) == 0}
    keep = {wwid: why for wwid, why in keep.items() if wwid not in {want.wwid for want in maps}}
    wwids = frozenset(want.wwid for want in maps if draw(st.booleans()))
    other = DmDevice(Alias(names[-1]), DmUuid("LVM-x"), DevT("253:99"))
    others = (other,) if names[-1] not in {each.name for each in live} else ()
    seen = [each for each in disks if draw(st.integers(0, 19)) or each.dev in needs]
    return Drawn(
        snapshot(*live, disks=seen, other_devices=others),
        desire(*maps, admissions=_strangers(draw, needs), keep=keep, wwids=wwids),
    )


def _sized(draw: st.DrawFn, number: int, state: PathState, needs: dict[DevT, Sectors]) -> Path:
    tpgs = draw(st.sampled_from([0, 1, 3]))
    return disk(number, state, size=needs.get(dev(number), SIZE) * draw(st.sampled_from([1, 1, 2])), tpgs=tpgs)


def _strangers(draw: st.DrawFn, needs: dict[DevT, Sectors]) -> list[Admission]:
    """Verdicts on the disks that no desired map has."""
    numbers = [n for n in range(DISKS) if dev(n) not in needs]
    return [admitted(n, "z", draw(st.sampled_from(VERDICTS)), "why not") for n in numbers]
