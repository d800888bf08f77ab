"""The client library against what our daemon really answers."""

from collections.abc import Iterator

import pytest

from controller.cli.multipath_view import state_of
from controller.client.daemon import MultipathDaemon
from controller.client.errors import Refused
from controller.protocol import replies
from controller.runtime import cycle
from desired.derive import config_in, derive
from tests.client.stub import stub
from tests.programs.hosts import DATA, LOGS, multipath, san


@pytest.fixture
def daemon() -> Iterator[MultipathDaemon]:
    """A connection to somebody who knows two maps, and answers as the daemon does."""
    host = san()
    multipath(host)
    snapshot = cycle.observe(host, cycle.Files())
    config = config_in(snapshot)
    state = state_of(snapshot, derive(config, snapshot, resident=True), config, {})

    def answer(command: str) -> str:
        reply = replies.respond(state, command, root=True)
        return reply if isinstance(reply, str) else "ok\n"

    with stub(answer) as server, MultipathDaemon(server.name) as connected:
        yield connected


def test_paths(daemon: MultipathDaemon) -> None:
    paths = {path.device: path for path in daemon.list_paths()}
    assert set(paths) == {"sda", "sdb", "sdc", "sdd"}
    sdc = paths["sdc"]
    assert (sdc.major, sdc.minor, sdc.status, sdc.checker_state, sdc.dm_state) == (8, 32, "running", "ready", "active")
    assert (sdc.priority, sdc.map, sdc.uuid) == (50, "data", DATA)


def test_maps(daemon: MultipathDaemon) -> None:
    assert {(each.device, each.name, each.uuid) for each in daemon.list_maps()} == {
        ("dm-0", "data", DATA),
        ("dm-1", LOGS, LOGS),
    }


def test_operations_are_understood(daemon: MultipathDaemon) -> None:
    daemon.reconfigure(everything=True)
    daemon.fail_path("sda")
    daemon.suspend_map("data")
    daemon.disable_map_queueing(DATA)
    daemon.restore_queueing()


def test_an_unknown_path_is_refused(daemon: MultipathDaemon) -> None:
    with pytest.raises(Refused):
        daemon.fail_path("sdz")
