"""What is told once, however often it is decided on: gaps, findings, and what is odd in the configuration."""

import errno
from collections.abc import Iterable

import pytest

from actuators.steps import FailPath, MapRef
from controller.reconcile.plan import MapPlan, Memory, Plan
from controller.reconcile.safety import Finding, Level
from controller.runtime.cycle import Decision
from controller.runtime.events import Bulletin, Event, Kind
from controller.runtime.events import Level as EventLevel
from controller.runtime.telling import PathChange, Teller, reasons
from desired.model import ConfigMessage, Desired
from observers.dmtable import DevT
from observers.snapshot import DeviceName, Gap, HostFacts, PathState, Snapshot
from tests.planner.builders import disk, running, wanted
from tests.service.virtual import Virtual

A, B = running(wanted("a", [0])), running(wanted("b", [1]), number=1)
FACTS = HostFacts(kernel_release="", dm_version=None, multipath_target=None)
SDA = Gap("sda", "vendor", "it can't be read")
SDB = Gap("sdb", "vendor", "it can't be read")
HOST = Gap("host", "mounts", "they can't be read")
NOT_A = Finding(Level.FATAL, A.uuid, "size", "a disk is too small")
NOT_B = Finding(Level.FATAL, B.uuid, "size", "a disk is too small")


class Told:
    """A teller, and what it told."""

    def __init__(self) -> None:
        self.bulletin = Bulletin()
        self.teller = Teller(self.bulletin, wall=lambda: 0.0)

    def of(self, decision: Decision, *, whole: bool = True) -> list[str]:
        before = self.bulletin.count
        self.teller.decided(decision, whole=whole)
        fresh = list(self.bulletin)[before - self.bulletin.count :] if self.bulletin.count > before else []
        return [f"{event.map}: {event.text}" if event.map else event.text for event in fresh if event.level < 4]


def decision(
    *maps: object, gaps: Iterable[Gap] = (), findings: Iterable[Finding] = (), messages: Iterable[ConfigMessage] = ()
) -> Decision:
    live = [each for each in (A, B) if each in maps]
    paths = [disk(number) for number, each in enumerate((A, B)) if each in maps]
    plans = [
        MapPlan(wwid=each.wwid, uuid=each.uuid, name=each.name, action="nothing", reasons=("as desired",))
        for each in live
    ]
    return Decision(
        snapshot=Snapshot(taken_at=0.0, host=FACTS, maps=tuple(live), paths=tuple(paths), gaps=tuple(gaps)),
        desired=Desired(maps=(), keep={}, messages=tuple(messages)), plan=Plan(maps=tuple(plans)),
        findings=tuple(findings), memory=Memory(),
    )  # fmt: skip


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_gap_is_told_once_also_when_only_others_were_decided_on_meanwhile(told: Told) -> None:
    everything = decision(A, B, gaps=[HOST, SDA, SDB])
    assert len(told.of(everything)) == 3
    assert told.of(decision(A, gaps=[HOST, SDA]), whole=False) == []
    assert told.of(decision(B, gaps=[HOST, SDB]), whole=False) == []
    assert told.of(everything) == []


def test_a_gap_that_closes_and_opens_again_is_told_again(told: Told) -> None:
    told.of(decision(A, B, gaps=[SDA, SDB]))
    assert told.of(decision(A), whole=False) == []
    assert told.of(decision(A, gaps=[SDA]), whole=False) == ["sda: vendor: it can't be read"]
    told.of(decision(A, B))
    assert len(told.of(decision(A, B, gaps=[SDA, SDB]))) == 2


def test_a_finding_is_told_once_with_its_map(told: Told) -> None:
    both = decision(A, B, findings=[NOT_A, NOT_B])
    assert told.of(both) == ["a: fatal: a disk is too small [size]", "b: fatal: a disk is too small [size]"]
    assert told.of(decision(A, findings=[NOT_A]), whole=False) == []
    assert told.of(both) == []
    assert told.of(decision(A), whole=False) == []
    assert told.of(both) == ["a: fatal: a disk is too small [size]"]


def test_what_is_odd_in_the_configuration_is_told_again_only_after_it_was_mended(told: Told) -> None:
    odd = ConfigMessage(file="", line=0, text="odd", severity="warning")  # type: ignore[arg-type]  # any word will do
    assert told.of(decision(A, B, messages=[odd])) == ["warning: odd"]
    assert told.of(decision(A), whole=False) == []
    assert told.of(decision(A, B, messages=[odd])) == []
    assert told.of(decision(A, B)) == []
    assert told.of(decision(A, B, messages=[odd])) == ["warning: odd"]


def test_a_daemon_tells_of_an_attribute_that_can_not_be_read_once() -> None:
    daemon = Virtual("small")
    daemon.settled()
    daemon.live(30)
    path = daemon.service.world.path(DeviceName("sdd"))
    assert path is not None
    daemon.host.faults.fail_read(f"{path.sysfs}/device/model", errno.EIO, count=10**6)
    for _ in range(3):
        daemon.service.reconciler.look_at_everything()
        daemon.settled()
        daemon.host.happen("offline", "sdb")
        daemon.live(5)
        daemon.host.happen("online", "sdb")
        daemon.live(5)
    told = [event.text for event in daemon.events if event.text.startswith("sdd: ") and "model" in event.text]
    assert len(told) == 1


@pytest.mark.parametrize("unit", ["", "leads to its own logical unit again"])
@pytest.mark.parametrize("after", [PathState.UP, PathState.DOWN])
def test_what_a_checker_said_is_told_without_the_blank_that_it_begins_with(unit: str, after: PathState) -> None:
    told = Told()
    change = PathChange(
        name=DeviceName("sda"), map="a", before=PathState.UP, after=after, message=" reports path is up",
        anew=False, unit=unit, ranks=False,
    )  # fmt: skip
    told.teller.path_changed(change)
    assert [event.reason for event in told.bulletin] == ["reports path is up"]


DATA = "3600a098038304479363f4c4934526b00"


def said(daemon: Virtual, kind: Kind, *, path: str, since: int) -> list[Event]:
    """What was told of a path at the usual verbosity, after so many events."""
    new = daemon.events[since - daemon.service.bulletin.count :] if daemon.service.bulletin.count > since else []
    return [event for event in new if event.kind is kind and event.path == path and event.level <= EventLevel.NOTICE]


def happened(daemon: Virtual, *words: str) -> int:
    """Something happens, and is dealt with; how many events there were before."""
    since = daemon.service.bulletin.count
    daemon.host.happen(*words)
    daemon.live(2)
    daemon.settled()
    return since


@pytest.fixture
def daemon() -> Virtual:
    made = Virtual("small")
    made.settled()
    made.live(30)
    return made


def test_what_sysfs_says_of_a_path_is_the_reason_of_the_change_and_of_what_is_done(daemon: Virtual) -> None:
    since = happened(daemon, "offline", "sdb")
    (seen,) = said(daemon, Kind.SEEN, path="sdb", since=since)
    assert (seen.text, seen.reason, seen.map, seen.wwid) == ("up -> down", "sysfs says offline", "data", DATA)
    (done,) = said(daemon, Kind.DONE, path="sdb", since=since)
    assert (done.reason, done.map, done.wwid) == ("sysfs says offline", "data", DATA)


def test_a_path_that_the_kernel_fails_is_told_with_that_before_it_is_told_that_it_works(daemon: Virtual) -> None:
    since = happened(daemon, "message", "data", "fail_path", "8:16")
    failed, works = said(daemon, Kind.SEEN, path="sdb", since=since)
    assert (failed.text, failed.reason) == ("up -> down", "the kernel failed it after an I/O error")
    assert (failed.map, failed.wwid, works.text) == ("data", DATA, "down -> up")
    (done,) = said(daemon, Kind.DONE, path="sdb", since=since)
    assert done.reason == "tur reports path is up"


def test_a_path_that_is_gone_is_told_once_with_its_map(daemon: Virtual) -> None:
    since = happened(daemon, "delete", "sdb")
    daemon.live(30)
    (seen,) = said(daemon, Kind.SEEN, path="sdb", since=since)
    assert (seen.text, seen.map, seen.wwid) == ("gone", "data", DATA)
    assert seen.reason


def test_a_disk_of_nobodys_that_is_gone_is_told_to_those_who_want_to_know_more(daemon: Virtual) -> None:
    happened(daemon, "delete", "sda")
    (seen,) = [event for event in daemon.events if event.text == "gone"]
    assert (seen.path, seen.map, seen.level) == ("sda", "", EventLevel.INFO)


def test_a_table_that_is_loaded_is_told_with_all_its_reasons(daemon: Virtual) -> None:
    since = happened(daemon, "delete", "sdb")
    (done,) = [event for event in said(daemon, Kind.DONE, path="", since=since) if event.map == "data"]
    assert done.reason.startswith("path groups: ")


def test_queueing_that_ends_with_the_daemon_is_told_with_why(daemon: Virtual) -> None:
    daemon.service.leave()
    ended = [event for event in daemon.events if event.text.startswith("let I/O fail")]
    assert ended
    assert {event.reason for event in ended} == {"the daemon ends, and nobody would end its queueing"}


def test_of_several_paths_each_step_has_the_reason_of_its_own() -> None:
    ref = MapRef(A.uuid, A.name)
    one, other = (FailPath(map=ref, dev=DevT(f"8:{16 * n}"), name=DeviceName(f"sd{'ab'[n]}")) for n in range(2))
    both = MapPlan(
        wwid=A.wwid, uuid=A.uuid, name=A.name, action="paths", steps=(one, other),
        reasons=("fails 8:0 (sda): it is down", "fails 8:16 (sdb): sysfs says offline"),
    )  # fmt: skip
    assert list(reasons(Plan(maps=(both,))).values()) == ["it is down", "sysfs says offline"]
