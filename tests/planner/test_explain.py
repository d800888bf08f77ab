"""Plans in words: what a dry run prints."""

import pytest

from actuators.steps import (
    CreateMap,
    DeletePath,
    FailPath,
    MapRef,
    MarkFailed,
    Ownership,
    ReinstatePath,
    ReloadMap,
    RememberWwid,
    RemoveMap,
    RenameMap,
    SetQueueing,
    Step,
    SwitchGroup,
    TriggerUevent,
    UdevFlags,
    UnmarkFailed,
    WriteBindings,
    WriteTunable,
)
from controller.reconcile.explain import plan_text, size_text, step_text
from controller.reconcile.plan import Plan
from observers.dmtable import Sectors
from observers.snapshot import Alias, DeviceName, PathState
from tests.planner.builders import SIZE, desire, dev, planned, running, snapshot, uuid, wanted

A = MapRef(uuid("a"), Alias("a"))
SDA = DeviceName("sda")
TABLE = "0 0 1 1 service-time 0 1 1 8:0 1"
FLAGS = UdevFlags.DISABLE_LIBRARY_FALLBACK | UdevFlags.PRIMARY_SOURCE

STEPS: list[tuple[Step, str]] = [
    (
        CreateMap(map=A, size=SIZE, table=TABLE, read_only=True, ownership=Ownership(0o640, 1, 2), udev=FLAGS),
        f"create a (read-only, mode 0640, uid 1, gid 2, udev 0x0060): 0 131072 multipath {TABLE}",
    ),
    (
        ReloadMap(map=A, size=SIZE, table=TABLE, read_only=True, flush=True, expected="0 0 0", udev=FLAGS),
        f"load into a (read-only, after I/O in flight finished, udev 0x0060): 0 131072 multipath {TABLE}; over: 0 0 0",
    ),
    (
        ReloadMap(map=A, size=SIZE, table=TABLE, read_only=False, flush=False, expected=None, udev=FLAGS),
        f"load into a (read-write, at once, udev 0x0060): 0 131072 multipath {TABLE}; over no table",
    ),
    (RenameMap(map=A, new_name=Alias("b"), udev=FLAGS), "rename a to b (udev 0x0060)"),
    (RemoveMap(map=A, udev=FLAGS), "remove a (udev 0x0060)"),
    (SwitchGroup(map=A, group=2), "switch a to group 2"),
    (FailPath(map=A, dev=dev(0), name=SDA), "fail path 8:0 (sda) of a"),
    (ReinstatePath(map=A, dev=dev(0), name=SDA), "reinstate path 8:0 (sda) of a"),
    (SetQueueing(map=A, queue=True), "let I/O wait when a has no path left"),
    (SetQueueing(map=A, queue=False), "let I/O fail when a has no path left"),
    (
        TriggerUevent(name=SDA, dev=dev(0), sysfs="/sys/block/sda"),
        "have udev look at sda (8:0) again: a change event",
    ),
    (RememberWwid(file="/w", wwid=wanted("a", [0]).wwid), "add 3a to /w"),
    (WriteBindings(file="/b", text="# head\na 3a\n", expected=None), "make /b (1 binding)"),
    (WriteBindings(file="/b", text="a 3a\nb 3b\n", expected=""), "replace /b (2 bindings)"),
    (MarkFailed(file="/f/3a", wwid=wanted("a", [0]).wwid), "make /f/3a: its map could not be made"),
    (UnmarkFailed(file="/f/3a", wwid=wanted("a", [0]).wwid), "remove /f/3a: its map is made"),
    (
        WriteTunable(map=A, file="/sys/x/dev_loss_tmo", value="9", expected="8"),
        "write 9 to /sys/x/dev_loss_tmo (it is 8)",
    ),
    (
        DeletePath(map=A, dev=dev(0), name=SDA, sysfs="/sys/x/sda"),
        "delete path 8:0 (sda) of a at /sys/x/sda, if its logical unit is still not mapped",
    ),
]


@pytest.mark.parametrize(("step", "text"), STEPS, ids=[text.partition(":")[0] for _, text in STEPS])
def test_a_step_is_one_line_with_all_that_it_does(step: Step, text: str) -> None:
    assert step_text(step) == text


def test_a_plan_names_records_maps_reasons_and_steps() -> None:
    states = {1: PathState.DOWN}
    live = running(wanted("b", [1, 2]), number=1)
    want = desire(wanted("a", [0]), wanted("b", [1, 2], states=states), wwids=frozenset({live.wwid}))
    assert plan_text(planned(snapshot(live, states=states), want)) == (
        "records:\n"
        "  * add 3a to /etc/multipath/wwids\n"
        "\n"
        "a (3a): create\n"
        "  a new map: 1 path, 1 group\n"
        "  * create a (read-write, udev 0x0060): 0 131072 multipath 0 0 1 1 service-time 0 1 1 8:0 1\n"
        "\n"
        "b (3b): paths\n"
        "  fails 8:16 (sdb): it is down\n"
        "  * fail path 8:16 (sdb) of b\n"
        "\n"
        "3 steps to do, on 2 of 2 maps\n"
    )


def test_a_plan_without_steps_says_why_for_each_map() -> None:
    want = wanted("a", [0, 1], alias="3a")
    text = plan_text(planned(snapshot(running(want)), desire(want)))
    assert text == "3a: nothing\n  as desired: 2 paths, 1 group\n\nnothing to do: 1 map looked at\n"


def test_a_host_without_maps() -> None:
    assert plan_text(Plan()) == "nothing to do: 0 maps looked at\n"


@pytest.mark.parametrize(
    ("sectors", "text"), [(0, "0 B"), (1, "512 B"), (131072, "64 MiB"), (3 * 2**30, "1.5 TiB"), (2**40, "512 TiB")]
)
def test_sizes_for_people(sectors: int, text: str) -> None:
    assert size_text(Sectors(sectors)) == text
