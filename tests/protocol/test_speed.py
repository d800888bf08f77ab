"""Replies about 4,000 paths come at once. The limit counts processor time, as the machine may do other things."""

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest

from controller.protocol.replies import respond
from controller.protocol.state import DaemonLine, PathLine, State
from desired.config import load_config
from desired.derive import derive
from tests.builders import san_snapshot

LIMIT = 0.1
"""Seconds of processor time, on a machine that counts to a million in COUNTING seconds."""

COUNTING = 0.012
"""Seconds; on a processor that is slower, or shared, the limit grows with what counting takes there."""


@pytest.fixture(scope="module")
def large() -> State:
    snapshot = san_snapshot(1000, 4, existing=1.0)
    config = load_config(snapshot.config_files)
    return State(
        snapshot=snapshot,
        desired=derive(config, snapshot, resident=True),
        config=config,
        daemon=DaemonLine(pid=1),
        now=0.0,
        observed_at=0.0,
        paths={path.name: PathLine(priority=1, checker="tur", check_interval=20) for path in snapshot.paths},
    )


def seconds(what: Callable[[], object]) -> float:
    start = time.process_time()
    what()
    return time.process_time() - start


def count() -> None:
    for _ in range(1_000_000):
        pass


@pytest.fixture
def _frozen() -> Iterator[None]:
    """What the tests before left behind is not looked at by the garbage collector."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("command", ["show paths", "show maps", "show maps json", "show topology"])
@pytest.mark.usefixtures("_frozen")
def test_a_reply_about_4000_paths_takes_well_under_100_ms(large: State, command: str) -> None:
    assert len(str(respond(large, command, root=True))) > 60_000
    shares = []
    for _ in range(7):
        other = replace(large, snapshot=replace(large.snapshot))
        shares.append(seconds(partial(respond, other, command, root=True)) / seconds(count))
    assert min(shares) < LIMIT / COUNTING
