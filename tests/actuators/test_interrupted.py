"""Whatever call is refused, wherever the program is killed: nothing stays suspended, and doing it again ends well.

Each case runs a plan once with one fault, or killed at one call, for every call that the undisturbed plan makes.
"""

import errno
from collections.abc import Iterator
from dataclasses import replace

import pytest

from actuators.apply import Applied, apply
from actuators.steps import Refused, RememberWwid, Step, WriteBindings
from observers.kernel.dm_ioctl import Command, Target
from observers.snapshot import Wwid

from .steps_for_tests import CREATE, MAP, ONE_PATH_SHOWN, RELOAD, REMOVE, RENAME, TWO_PATHS, UUID
from .tiny_kernel import Device, Fault, Killed, Swap, TinyKernel

RECORDS = (
    RememberWwid(file="/etc/multipath/wwids", wwid=Wwid("36001405aabbccddeeff0011223344556")),
    WriteBindings(file="/etc/multipath/bindings", text="mpatha 36001405\n", expected=None),
)
OLD = Target(0, 2048, "multipath", ONE_PATH_SHOWN)
STRAY = Target(0, 2048, "multipath", "0 0 1 1 service-time 0 1 1 8:32 1")
SAME = replace(RELOAD, table=ONE_PATH_SHOWN)
ERRORS = [errno.EBUSY, errno.EINTR, errno.ENOMEM, errno.EINVAL, errno.EACCES, errno.ENXIO]
PLANS: dict[str, tuple[Step, bool, dict[str, str]]] = {
    "create": (CREATE, False, {"mpatha": TWO_PATHS}),
    "reload": (RELOAD, True, {"mpatha": TWO_PATHS}),
    "rename": (RENAME, True, {"oracle": ONE_PATH_SHOWN}),
    "remove": (REMOVE, True, {}),
    "reload over a table that waits": (RELOAD, True, {"mpatha": TWO_PATHS}),
    "the same table over one that waits": (SAME, True, {"mpatha": ONE_PATH_SHOWN}),
}
"""The step, whether the map is there before, and what runs in the end."""


def kernel(name: str, *, fault: Fault | None = None, killed_at: int | None = None) -> TinyKernel:
    _, there, _ = PLANS[name]
    waiting = STRAY if name.endswith("waits") else None
    devices = {str(UUID): Device(str(MAP.name), live=OLD, inactive=waiting)} if there else {}
    return TinyKernel(devices=devices, fault=fault, killed_at=killed_at)


def run(host: TinyKernel, step: Step) -> Applied:
    return apply(host, RECORDS, [[step]], udev_running=True)


def faults() -> Iterator[object]:
    for name, (step, _, _) in PLANS.items():
        quiet = kernel(name)
        run(quiet, step)
        for call in range(quiet.changes_made):
            for error in ERRORS:
                if name == "remove" and error == errno.ENXIO:
                    continue  # that is success: the map is gone
                for swap in Swap:
                    label = f"{name}, change {call}, {errno.errorcode[error]}, {swap.name.lower()}"
                    yield pytest.param(name, Fault(call, error, swap), id=label)


def kills() -> Iterator[object]:
    for name, (step, _, _) in PLANS.items():
        quiet = kernel(name)
        run(quiet, step)
        yield from (pytest.param(name, call, id=f"{name}, call {call}") for call in range(quiet.calls))


@pytest.mark.parametrize(("name", "fault"), [*faults()])
def test_no_refusal_leaves_a_map_suspended_or_half_made(name: str, fault: Fault) -> None:
    step, there, goal = PLANS[name]
    host = kernel(name, fault=fault)
    refused = any(isinstance(outcome, Refused) for _, outcome in run(host, step).outcomes)
    before = {"mpatha": ONE_PATH_SHOWN} if there else {}
    assert host.suspended() == []
    assert {text.strip() for text in host.live().values()} == {
        text.strip() for text in (before if refused else goal).values()
    }
    assert host.semaphores == {}


RELOADS = [name for name, (step, _, _) in PLANS.items() if step in (RELOAD, SAME)]


@pytest.mark.parametrize("swap", Swap)
@pytest.mark.parametrize("name", RELOADS)
@pytest.mark.parametrize("error", sorted(errno.errorcode), ids=errno.errorcode.get)
def test_no_refused_resume_leaves_another_table_to_be_resumed_nor_clears_one(name: str, swap: Swap, error: int) -> None:
    """A clear, and a rename and a load some time later, bring Linux 6.1 down."""
    host = kernel(name, fault=Fault(1, error, swap))
    run(host, PLANS[name][0])
    assert Command.DM_TABLE_CLEAR not in {sent.command for sent in host.sent}
    assert host.waiting() in ({}, {"mpatha": ONE_PATH_SHOWN.strip()})
    assert host.suspended() == []


@pytest.mark.parametrize(("name", "fault"), [*faults()])
def test_doing_it_again_after_a_refusal_ends_well(name: str, fault: Fault) -> None:
    step, _, goal = PLANS[name]
    host = kernel(name, fault=fault)
    run(host, step)
    host.fault = None
    run(host, step)
    assert host.live() == goal
    assert host.suspended() == []
    assert host.semaphores == {}


@pytest.mark.parametrize(("name", "call"), [*kills()])
def test_doing_it_again_after_being_killed_ends_well(name: str, call: int) -> None:
    step, _, goal = PLANS[name]
    host = kernel(name, killed_at=call)
    with pytest.raises(Killed):
        run(host, step)
    host.killed_at = None
    again = run(host, step)
    assert again.failures == ()
    assert host.live() == goal
    assert host.suspended() == []
    assert host.files["/etc/multipath/bindings"] == b"mpatha 36001405\n"
