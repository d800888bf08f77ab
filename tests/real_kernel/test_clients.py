"""Other people's programs on a real kernel: each runs its own commands, and understands of the replies what is so.

All rows of `tests.clients` in one script, as every step to the guest and back costs. What is so comes from sysfs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.clients.rows import Row, Said, TrueMap, TruePath, Truth, batch, collect, understood
from tests.clients.systems import KEY
from tests.clients.table import TABLE
from tests.real_kernel import guest_programs, rigs
from tests.real_kernel.daemon import Daemon, running
from tests.real_kernel.guest import Guest

pytestmark = [pytest.mark.vm, pytest.mark.long]

SEEN, CHANGED, REMOVED = 1, 2, 0
"""The disks of the maps. Only disk 0 can be found by a scan after it was deleted."""
PATHS = 2
CONFIG = rigs.DAEMON_CONFIG.replace("defaults {", f"defaults {{\n\treservation_key {KEY}") + (
    "overrides {\n\tno_path_retry fail\n}\n"
    f"multipaths {{\n\tmultipath {{\n\t\twwid {rigs.lio_name(SEEN)}\n\t\talias data\n\t}}\n}}\n"
)
LIMIT = 300.0
SAID = "/tmp/said"

PROGRAMS = "tests.real_kernel.guest_programs:serve"


@contextmanager
def programs(guest: Guest) -> Iterator[None]:
    """Our `multipath` and `multipathd` can be run by their names, and are quick to start."""
    directory = guest_programs.DIRECTORY
    guest.sh(f"rm -rf {directory}")
    guest.machine.leave_preloaded(PROGRAMS, ["programs"], log="/tmp/programs.log")
    guest.machine.wait_until(f"test -x {directory}/multipathd")
    yield
    guest.sh(f"echo {guest_programs.END} > {guest_programs.REQUESTS}")
    assert "Traceback" not in guest.sh("cat /tmp/programs.log")


def truth_of(daemon: Daemon) -> Truth:
    """What is so, by sysfs."""
    nodes = "for each in /sys/block/dm-*; do echo ${each##*/} $(cat $each/dm/name $each/dm/uuid); done"
    maps = {}
    for line in daemon.guest.sh(nodes).splitlines():
        node, name, uuid = line.split()
        wwid = uuid.removeprefix("mpath-")
        maps[wwid] = TrueMap(name, wwid, node, paths_of(daemon.guest, node))
    seen, changed, removed = (maps[rigs.lio_name(disk)] for disk in (SEEN, CHANGED, REMOVED))
    return Truth(seen=seen, changed=changed, removed=removed, pid=daemon.pid)


def paths_of(guest: Guest, node: str) -> tuple[TruePath, ...]:
    each = f"for each in /sys/block/{node}/slaves/*; do"
    text = guest.sh(f"{each} echo ${{each##*/}} $(cat $each/dev) $(basename $(readlink $each/device)); done")
    return tuple(TruePath(*line.split()) for line in text.splitlines())


@pytest.fixture(scope="module")
def truth_and_said(lasting: Callable[[str], Guest]) -> tuple[Truth, dict[str, Said]]:
    """What all of them said, in one go."""
    guest = lasting("6.1")
    guest.configure(CONFIG)
    rigs.tcm_loop(guest, disks=3, paths=PATHS)
    with running(guest) as daemon, programs(guest):
        for name in ("data", rigs.lio_name(CHANGED), rigs.lio_name(REMOVED)):
            daemon.wait_paths(name, PATHS)
        truth = truth_of(daemon)
        told = "".join(f"export {name}='{value}'\n" for name, value in truth.environment().items())
        path = f"export PATH={guest_programs.DIRECTORY}:$PATH\n"
        done = guest.machine.run(f"rm -rf {SAID}; {told}{path}{batch(TABLE, SAID)}", timeout=LIMIT)
        said = understood(TABLE, guest.sh(collect(SAID)))
        assert (done.status, truth_of(daemon)) == (0, truth), said
    return truth, said


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_client_understands_what_is_so(row: Row, truth_and_said: tuple[Truth, dict[str, Said]]) -> None:
    truth, said = truth_and_said
    row.check(said[row.name], truth)
