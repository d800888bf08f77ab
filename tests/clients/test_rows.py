"""Every row that needs only a socket: the installed programs ask a daemon on the sandbox, as the clients run them."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from controller.runtime import cycle
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import parse_scenario
from observers.snapshot import Map, Snapshot
from tests.client.stub import stub
from tests.clients.rows import Row, Said, TrueMap, TruePath, Truth, batch, collect, understood
from tests.clients.table import OF_THE_SOCKET, TABLE
from tests.programs.hosts import CONFIG, SAN, file
from tests.service.virtual import Virtual

THIRD = "    lun 2 size 8G naa 600a098038304479363f4c4934526b02 serial 80Dy8\n"
LIMIT = 120.0


def host() -> SandboxHost:
    """Three LUNs with two paths each; the first has an alias."""
    text = SAN.replace("adapter 1", f"{THIRD}adapter 1", 1) + file("/etc/multipath.conf", CONFIG)
    return SandboxHost(parse_scenario(text, file="rows.san"))


def truth_of(snapshot: Snapshot) -> Truth:
    """What is so, by what the kernel of the sandbox shows."""
    seen, changed, removed = sorted((true(live, snapshot) for live in snapshot.maps), key=lambda each: each.node)
    return Truth(seen=seen, changed=changed, removed=removed, pid=4711)


def true(live: Map, snapshot: Snapshot) -> TrueMap:
    by_number = {path.dev: path for path in snapshot.paths}
    assert live.table is not None
    paths = [by_number[each.dev] for group in live.table.groups for each in group.paths]
    return TrueMap(
        str(live.name), str(live.wwid), f"dm-{str(live.dev).partition(':')[2]}",
        tuple(TruePath(str(path.name), str(path.dev), str(path.address)) for path in paths),
    )  # fmt: skip


@pytest.fixture(scope="module")
def truth_and_said(tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, dict[str, Said]]:
    """What all of them said, in one go."""
    daemon, lock = Virtual(host=host()), threading.Lock()
    daemon.settled()
    truth = truth_of(cycle.observe(daemon.host, cycle.Files()))

    def answer(command: str) -> str:
        with lock:
            return daemon.ask(command)

    said = str(tmp_path_factory.mktemp("rows") / "said")
    with stub(answer) as server:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", batch(OF_THE_SOCKET, said) + collect(said)], capture_output=True, text=True, check=True,
            timeout=LIMIT, env={"PATH": path, "MULTIPATH_SOCKET_NAME": server.name, **truth.environment()},
        )  # fmt: skip
    return truth, understood(OF_THE_SOCKET, done.stdout)


@pytest.mark.parametrize("row", OF_THE_SOCKET, ids=lambda row: row.name)
def test_a_client_understands_what_is_so(row: Row, truth_and_said: tuple[Truth, dict[str, Said]]) -> None:
    truth, said = truth_and_said
    row.check(said[row.name], truth)


def test_names_of_rows_are_theirs_alone() -> None:
    assert len({each.name for each in TABLE}) == len(TABLE)
