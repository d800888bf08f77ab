"""Records that can't be written now are written later, also if nothing happens meanwhile."""

import errno
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import load_scenario
from tests.service.virtual import Virtual

BINDINGS, WWIDS = "/etc/multipath/bindings", "/etc/multipath/wwids"
WEEK = 10**6
"""More failures than any test meets."""


def text(daemon: Virtual, file: str) -> str:
    return daemon.host.read_file(file).decode()


def emptied(daemon: Virtual, file: str) -> str:
    """Have a file lose its entries, and be written no more; what it should be."""
    before = text(daemon, file)
    comments = "".join(line for line in before.splitlines(keepends=True) if line.startswith("#"))
    daemon.host.replace_file(file, comments.encode(), mode=0o600)
    daemon.host.faults.fail_change(file, errno.EROFS, count=WEEK)
    daemon.service.reconfigure()
    daemon.until(lambda: any(event.text.endswith(file) or "refused" in event.text for event in daemon.events))
    return before


@pytest.mark.parametrize("file", [BINDINGS, WWIDS])
def test_a_record_that_was_refused_is_tried_again_later_and_later_though_nothing_happens(file: str) -> None:
    daemon = Virtual("small")
    daemon.settled()
    daemon.live(30)
    before = emptied(daemon, file)
    daemon.live(40)
    refusals = [event.at for event in daemon.events if "refused" in event.text]
    assert len(refusals) >= 3
    waits = [round(later - sooner) for sooner, later in pairwise(refusals) if later - sooner > 1]
    assert waits[:3] == [5, 10, 20]
    daemon.host.faults.clear()
    daemon.until(lambda: text(daemon, file) == before, within=60)
    daemon.settled()


def test_a_record_that_somebody_has_locked_for_long_is_written_when_the_lock_is_free() -> None:
    daemon = Virtual("small")
    daemon.settled()
    daemon.live(30)
    before = text(daemon, WWIDS)
    handle = daemon.host.open_locked(WWIDS, mode=None)
    comments = "".join(line for line in before.splitlines(keepends=True) if line.startswith("#"))
    daemon.host.write_locked(handle, b"#" * (len(before) - len(comments)), offset=len(comments))
    daemon.service.reconfigure()
    daemon.until(lambda: any("locked for 30 s" in event.text for event in daemon.events), within=300)
    assert "\n/" not in text(daemon, WWIDS)
    daemon.host.unlock(handle)
    daemon.until(lambda: text(daemon, WWIDS).count("\n/") == before.count("\n/"), within=300)
    daemon.settled()


def test_a_host_whose_records_can_not_be_written_at_first_gets_all_its_maps() -> None:
    host = SandboxHost(load_scenario("small"))
    for file in (BINDINGS, WWIDS):
        host.faults.fail_change(file, errno.EROFS, count=WEEK)
    daemon = Virtual(host=host)
    daemon.live(30)
    assert daemon.map("mpatha") is None
    host.faults.clear()
    daemon.until(lambda: daemon.map("mpatha") is not None, within=60)
    daemon.until(lambda: text(daemon, WWIDS).count("\n/") == 4, within=60)


def test_while_records_are_being_written_no_others_are_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk below /etc that does not answer would else have them gather without end."""
    daemon = Virtual("small")
    daemon.settled()
    daemon.live(30)
    engine, begun = daemon.service.lanes._engine, list[Callable[[], None]]()
    run = engine.run
    monkeypatch.setattr(engine, "run", lambda ticket, group, call: begun.append(lambda: run(ticket, group, call)))
    before = text(daemon, WWIDS)
    daemon.host.replace_file(WWIDS, b"", mode=0o600)
    texts = daemon.service.world._texts
    assert texts.wwids is not None
    daemon.service.reconciler.recorded(replace(texts, wwids=replace(texts.wwids, text="")), now=0.0)
    daemon.until(lambda: len(begun) == 1)
    for _ in range(5):
        daemon.service.reconciler.decide_on_everything(now=daemon.host.monotonic())
        daemon.live(5)
    assert len(begun) == 1
    monkeypatch.setattr(engine, "run", run)
    begun.pop()()
    daemon.until(lambda: sorted(text(daemon, WWIDS).split("\n")[-5:]) == sorted(before.split("\n")[-5:]))
    daemon.settled()
