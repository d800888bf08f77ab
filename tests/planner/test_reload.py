"""What makes a map get another table, and what does not."""

import errno
from dataclasses import replace

import pytest

from actuators.steps import (
    FailPath,
    MapRef,
    Refused,
    ReloadMap,
    SetQueueing,
    UdevFlags,
)
from controller.reconcile.memory import after_apply
from controller.reconcile.plan import Memory
from observers.dmtable import format_table, parse_table
from observers.snapshot import Alias, Daemon, DeviceName, Gap, PathState
from tests.planner.builders import (
    HOST,
    MANUAL,
    NOW,
    SIZE,
    desire,
    dev,
    disk,
    group,
    kinds,
    only,
    planned,
    running,
    snapshot,
    table,
    uuid,
    wanted,
)

BASE = UdevFlags.DISABLE_LIBRARY_FALLBACK | UdevFlags.PRIMARY_SOURCE
DOWN = PathState.DOWN


RELOADS = [
    pytest.param(table(group(0, 1), handler="alua"), "hardware handler: none -> alua", id="handler"),
    pytest.param(table(group(0, 1), features="pg_init_retries 9"), "features: none -> pg_init_retries 9", id="feature"),
    pytest.param(table(group(0, 1, selector="round-robin")), "path selector: service-time -> round-robin", id="other"),
    pytest.param(table(group(0, 1, args=("1", "3"))), "path arguments: 8:0 1 1 -> 8:0 1 3", id="path arguments"),
    pytest.param(table(group(0), group(1)), "path groups: 8:0 8:16 -> 8:0 | 8:16", id="group topology"),
    pytest.param(table(group(0, 1, 2)), "path groups: 8:0 8:16 -> 8:0 8:16 8:32", id="a path comes"),
    pytest.param(table(group(0)), "path groups: 8:0 8:16 -> 8:0", id="a path goes"),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "reason"), RELOADS)
def test_what_makes_a_map_reload(shape: object, reason: str) -> None:
    live = running(wanted("a", [0, 1]))
    want = wanted("a", [0, 1, 2], shape=shape)  # type: ignore[arg-type]  # a table
    made = only(planned(snapshot(live), desire(want)))
    assert made.action == "reload"
    assert made.reasons[0] == reason
    assert made.steps == (
        ReloadMap(
            map=MapRef(uuid("a"), Alias("a")),
            size=SIZE,
            table=format_table(want.table),
            read_only=False,
            flush=False,
            expected="0 0 1 1 service-time 0 2 2 8:0 1 1 8:16 1 1",
            udev=BASE | UdevFlags.RELOAD,
        ),
    )


SAME = [
    pytest.param(table(group(1, 0)), table(group(0, 1)), id="order of paths inside a group"),
    pytest.param(table(group(0), group(1), best=2), table(group(0), group(1), best=1), id="initial group"),
    pytest.param(table(group(0, 1, args=("100",))), table(group(0, 1)), id="a repeat count that the kernel ignores"),
    pytest.param(table(group(0, 1, selector="historical-service-time")),
                 table(group(0, 1, selector="historical-service-time")), id="defaults that the kernel fills in"),
    pytest.param(table(group(0, 1), features="retain_attached_hw_handler"), table(group(0, 1)), id="retain"),
    pytest.param(table(group(0, 1), features="queue_mode mq"), table(group(0, 1)), id="a queue mode that is one"),
    pytest.param(table(group(0, 1), handler="rdac"), table(group(0, 1), handler="alua"), id="an attached one is kept"),
    pytest.param(table(group(0, 1)), table(group(0, 1), handler="alua"), id="a handler is attached without asking"),
    pytest.param(table(group(0, 1), features="queue_mode bio", handler="alua"),
                 table(group(0, 1), features="queue_mode bio"), id="a bio map has no handler"),
    pytest.param(table(group(0, 1), features="pg_init_delay_msecs 9 pg_init_retries 5"),
                 table(group(0, 1), features="pg_init_retries 5 pg_init_delay_msecs 9"), id="order of features"),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "loaded"), SAME)
def test_what_does_not_make_a_map_reload(shape: object, loaded: object) -> None:
    want = wanted("a", [0, 1], shape=shape, failback=MANUAL)  # type: ignore[arg-type]  # a table
    live = running(wanted("a", [0, 1], shape=loaded))  # type: ignore[arg-type]  # a table
    assert planned(snapshot(live), desire(want)).steps == ()


def test_a_queue_mode_that_can_not_change_is_told_and_kept_when_something_else_changes() -> None:
    live = running(wanted("a", [0], shape=table(group(0), features="queue_mode bio")))
    told = only(planned(snapshot(live), desire(wanted("a", [0]))))
    assert told.steps == ()
    assert "removed and made anew" in told.reasons[0]
    step = only(planned(snapshot(live), desire(wanted("a", [0, 1])))).steps[0]
    assert isinstance(step, ReloadMap)
    assert step.table.startswith("2 queue_mode bio 0 ")


@pytest.mark.parametrize(("queue", "now"), [(True, ""), (False, "queue_if_no_path")])
def test_a_change_of_queueing_alone_is_a_message(queue: bool, now: str) -> None:
    live = running(wanted("a", [0], shape=table(group(0), features=now)))
    want = wanted("a", [0], shape=table(group(0), features="queue_if_no_path" if queue else ""))
    made = only(planned(snapshot(live), desire(want)))
    assert made.steps == (SetQueueing(map=MapRef(uuid("a"), Alias("a")), queue=queue),)
    assert made.action == "queueing"


def test_a_reload_for_another_reason_brings_the_queueing_with_it() -> None:
    want = wanted("a", [0, 1], shape=table(group(0, 1), features="queue_if_no_path"))
    assert kinds(only(planned(snapshot(running(wanted("a", [0]))), desire(want))).steps) == ["ReloadMap"]


PRIO = "group_by_prio"


@pytest.mark.parametrize(
    ("policy", "states", "reloads"),
    [
        pytest.param(PRIO, {}, True, id="priorities are the order"),
        pytest.param("multibus", {}, False, id="another policy"),
        pytest.param(PRIO, {2: DOWN}, False, id="a dead group's place does not matter"),
    ],
)
def test_the_order_of_groups_counts_only_where_the_kernel_would_fall_back_by_it(
    policy: str, states: dict[int, PathState], reloads: bool
) -> None:
    live = running(wanted("a", [0], [1], [2]), failed=tuple(states))
    want = wanted("a", [0], [2], [1], states=states, policy=policy)
    made = only(planned(snapshot(live, states=states), desire(want)))
    assert (kinds(made.steps) == ["ReloadMap"]) is reloads


def test_exchanged_priorities_of_two_groups_are_a_switch_only() -> None:
    live = running(wanted("a", [0], [1]))
    made = only(planned(snapshot(live), desire(wanted("a", [1], [0], policy=PRIO))))
    assert kinds(made.steps) == ["SwitchGroup"]


def test_a_larger_size_waits_for_io_in_flight_and_is_seen_by_udev() -> None:
    want = wanted("a", [0], shape=table(group(0), size=2 * SIZE))
    made = only(planned(snapshot(running(wanted("a", [0])), disks=[disk(0, size=2 * SIZE)]), desire(want)))
    step = made.steps[0]
    assert isinstance(step, ReloadMap)
    assert (made.action, step.size, step.flush, step.udev) == ("resize", 2 * SIZE, True, BASE)
    assert made.reasons[0] == "size: 131072 sectors -> 262144 sectors"


def test_a_resize_waits_for_a_working_path() -> None:
    want = wanted("a", [0], shape=table(group(0), size=2 * SIZE))
    live = running(wanted("a", [0]), failed=[0])
    made = only(planned(snapshot(live, disks=[disk(0, size=2 * SIZE)]), desire(want)))
    assert kinds(made.steps) == ["ReinstatePath"]
    assert "I/O in flight can't finish without a working path" in made.reasons[0]
    assert made.wake_at == NOW


def test_a_resize_that_no_path_comes_back_for_is_not_looked_at_again_at_once() -> None:
    states = {0: PathState.PENDING}
    want = wanted("a", [0], shape=table(group(0), size=2 * SIZE), states=states)
    disks = [disk(0, PathState.PENDING, size=2 * SIZE)]
    made = only(planned(snapshot(running(wanted("a", [0]), failed=[0]), disks=disks), desire(want)))
    assert (made.steps, made.wake_at) == ((), None)


def test_a_reload_that_is_held_is_not_looked_at_again_at_once() -> None:
    states = {1: PathState.DOWN, 2: PathState.DOWN}
    live = running(wanted("a", [0, 3]), failed=[3])
    want = wanted("a", [1, 2], states=states)
    made = only(planned(snapshot(live, states=states), desire(want)))
    assert (made.action, made.wake_at) == ("held", None)


def test_a_resize_of_a_dead_map_brings_the_new_paths_first_at_the_old_size() -> None:
    want = wanted("a", [1], shape=table(group(1), size=2 * SIZE))
    live = running(wanted("a", [0]), failed=[0])
    disks = [disk(0, DOWN), disk(1, size=2 * SIZE)]
    made = only(planned(snapshot(live, disks=disks), desire(want)))
    step = made.steps[0]
    assert isinstance(step, ReloadMap)
    assert (step.size, step.flush, made.wake_at) == (SIZE, False, 1000.0)


def test_a_table_larger_than_its_paths_is_not_loaded() -> None:
    want = wanted("a", [0], shape=table(group(0), size=2 * SIZE))
    made = only(planned(snapshot(running(wanted("a", [0]))), desire(want)))
    assert made.steps == ()
    assert "8:0 (sda) has 131072 sectors, fewer than the map's 262144" in made.reasons[0]


def test_a_map_larger_than_its_paths_is_not_made() -> None:
    made = only(planned(snapshot(), desire(wanted("a", [0], shape=table(group(0), size=2 * SIZE)))))
    assert (made.steps, made.action) == ((), "held")


def test_access_follows_the_desired_map() -> None:
    step = only(planned(snapshot(running(wanted("a", [0]))), desire(wanted("a", [0], read_only=True)))).steps[0]
    assert isinstance(step, ReloadMap)
    assert step.read_only


def test_a_map_that_is_read_only_because_of_its_paths_is_not_reloaded_for_ever() -> None:
    want = wanted("a", [0])
    live = running(want, read_only=True)
    assert planned(snapshot(live, disks=[replace(disk(0), read_only=True)]), desire(want)).steps == ()
    assert kinds(planned(snapshot(live), desire(want)).steps) == ["ReloadMap"]


def test_a_device_without_a_table_is_finished() -> None:
    want = wanted("a", [0])
    live = running(want, table=None, status=None, inactive_table=True, suspended=True, udev={})
    step = only(planned(snapshot(live), desire(want))).steps[0]
    assert isinstance(step, ReloadMap)
    assert (step.expected, step.udev) == (None, BASE)


def test_a_stray_second_table_is_dropped_by_loading_the_same_table_again() -> None:
    want = wanted("a", [0, 1])
    made = only(planned(snapshot(running(want, inactive_table=True)), desire(want)))
    assert made.action == "reload"
    assert "drops a table that somebody loaded and never resumed" in made.reasons[0]
    assert made.steps == (
        ReloadMap(
            map=MapRef(uuid("a"), Alias("a")),
            size=SIZE,
            table=format_table(want.table),
            read_only=False,
            flush=False,
            expected="0 0 1 1 service-time 0 2 2 8:0 1 1 8:16 1 1",
            udev=BASE | UdevFlags.RELOAD,
        ),
    )


def test_the_load_that_drops_a_second_table_leaves_no_dead_path_active() -> None:
    states = {1: DOWN}
    want = wanted("a", [0, 1], states=states)
    live = running(want, failed=[1], inactive_table=True)
    made = only(planned(snapshot(live, states=states), desire(want)))
    assert kinds(made.steps) == ["ReloadMap", "FailPath"]
    assert made.steps[1] == FailPath(map=MapRef(uuid("a"), Alias("a")), dev=dev(1), name=DeviceName("sdb"))


def test_the_load_that_drops_a_second_table_is_no_failback() -> None:
    want = wanted("a", [0], [1], failback=MANUAL)
    step = only(planned(snapshot(running(want, next_group=2, inactive_table=True)), desire(want))).steps[0]
    assert isinstance(step, ReloadMap)
    assert parse_table(SIZE, step.table).initial_group == 2


def test_the_load_that_drops_a_second_table_keeps_a_queue_mode_that_can_not_change() -> None:
    live = running(wanted("a", [0], shape=table(group(0), features="queue_mode bio")), inactive_table=True)
    step = only(planned(snapshot(live), desire(wanted("a", [0])))).steps[0]
    assert isinstance(step, ReloadMap)
    assert step.table.startswith("2 queue_mode bio 0 ")


def test_a_second_table_is_left_to_a_daemon_that_runs() -> None:
    want = wanted("a", [0])
    host = replace(HOST, daemon=Daemon(pid=7, name="multipathd"))
    made = only(planned(snapshot(running(want, inactive_table=True), host=host), desire(want)))
    assert made.steps == ()
    assert "it stays: multipathd (pid 7)" in made.reasons[0]


@pytest.mark.parametrize("active", [True, False], ids=["active in dm", "failed in dm"])
@pytest.mark.parametrize("state", [DOWN, PathState.PENDING])
def test_a_second_table_stays_while_no_path_is_usable(state: PathState, active: bool) -> None:
    want = wanted("a", [0], states={0: state})
    live = running(want, failed=[] if active else [0], inactive_table=True)
    made = only(planned(snapshot(live, states={0: state}), desire(want)))
    assert "ReloadMap" not in kinds(made.steps)
    assert any("a second table is loaded" in each and "no path is usable" in each for each in made.reasons)


def test_a_second_table_of_a_map_that_somebody_suspended_stays() -> None:
    want = wanted("a", [0])
    made = only(planned(snapshot(running(want, inactive_table=True, suspended=True)), desire(want)))
    assert made.steps == ()
    assert "dmsetup resume a" in made.reasons[0]


def test_a_second_table_of_a_map_that_can_not_be_read_stays() -> None:
    want = wanted("a", [0])
    live = running(want, status=None, inactive_table=True)
    made = only(planned(snapshot(live, gaps=[Gap("a", "status", "too old")]), desire(want)))
    assert made.steps == ()
    assert "its status is not known" in made.reasons[0]


def test_a_refused_load_over_a_second_table_is_not_tried_again_at_once() -> None:
    want = wanted("a", [0])
    snap = snapshot(running(want, inactive_table=True))
    made = planned(snap, desire(want))
    memory = after_apply(Memory(), made, [(made.steps[0], Refused(errno.ENOMEM, "no memory"))], NOW)
    held = only(planned(snap, desire(want), memory))
    assert (held.steps, held.action) == ((), "held")
    assert "no memory" in held.reasons[1]


def test_a_second_table_goes_with_a_reload_anyway() -> None:
    live = running(wanted("a", [0]), inactive_table=True)
    assert kinds(planned(snapshot(live), desire(wanted("a", [0, 1]))).steps) == ["ReloadMap"]


def test_a_map_that_udev_has_not_seen_is_reloaded_so_that_it_looks() -> None:
    want = wanted("a", [0])
    made = only(planned(snapshot(running(want, udev={})), desire(want)))
    step = made.steps[0]
    assert isinstance(step, ReloadMap)
    assert step.udev == BASE
    assert "udev has not looked at the map yet" in made.reasons[0]


@pytest.mark.parametrize(
    "case", ["no path is up", "udev does not run", "no multipath rules", "udev said not ready"]
)  # fmt: skip
def test_udev_is_not_asked_in_vain(case: str) -> None:
    states = {0: DOWN} if case == "no path is up" else {}
    want = wanted("a", [0], states=states)
    udev = {"MPATH_DEVICE_READY": "0"} if case == "udev said not ready" else {}
    snap = snapshot(running(want, failed=list(states), udev=udev), states=states)
    if case == "udev does not run":
        snap = replace(snap, host=replace(HOST, udev_running=False))
    if case == "no multipath rules":
        snap = replace(snap, paths=tuple(replace(path, udev={}) for path in snap.paths))
    assert planned(snap, desire(want)).steps == ()
