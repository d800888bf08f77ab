"""md arrays and the whole daemon: what makes it look at them, how often members are asked, and what is told."""

import pytest

from controller.runtime.events import Event, Kind, Level
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import parse_scenario
from observers.kernel.uevent import Uevent, of_properties
from observers.mdstat import MDSTAT
from tests.service.virtual import Virtual

from .worlds import SAN

NO_MAPS = "file /etc/multipath.conf <<END\nblacklist {\n devnode .*\n}\nEND\n"


class Mdstat:
    """The events of /proc/mdstat, in virtual time. `there`: whether md is loaded; `opened`: how often it was opened."""

    def __init__(self, host: SandboxHost, *, there: bool) -> None:
        self._host, self.there, self.opened = host, there, 0
        self._text = b""

    def open(self) -> "Mdstat | None":
        if not self.there:
            return None
        self.opened += 1
        self.read()
        return self

    def fileno(self) -> int:
        return -1

    def ready(self) -> bool:
        return self._host.read_file(MDSTAT) != self._text

    def read(self) -> list[object]:
        self._text = self._host.read_file(MDSTAT)
        return []


def host(release: str = "6.1.0-44-amd64", san: str = SAN.format(metadata="1.2")) -> SandboxHost:
    return SandboxHost(parse_scenario(f"host\n    release {release}\n{san}{NO_MAPS}", file="md.san"))


def daemon(*, mdstat: bool | None = None, interval: float = 15.0) -> tuple[Virtual, Mdstat]:
    """The daemon on a host with md0. `mdstat`: whether there are events of it now; None: there never will be."""
    kernel = host()
    source = Mdstat(kernel, there=bool(mdstat))
    made = Virtual(host=kernel, md=source.open, md_interval=interval)
    made.settled()
    return made, source


def uevent(name: str) -> Uevent:
    event = of_properties({
        "ACTION": "change", "DEVPATH": f"/devices/virtual/block/{name}", "SUBSYSTEM": "block", "SEQNUM": "1",
        "DEVNAME": f"/dev/{name}", "DEVTYPE": "disk",
    })  # fmt: skip
    assert event is not None
    return event


def about_md(made: Virtual, kind: Kind) -> list[Event]:
    return [event for event in made.events if event.kind is kind and event.map == "md0"]


def given_back(made: Virtual) -> bool:
    return "3 of 3 paths" in made.ask("show md") and bool(about_md(made, Kind.DONE))


# ---- what makes it look


def test_without_events_an_array_that_is_known_is_looked_at_again_and_again() -> None:
    made, _ = daemon()
    made.host.happen("md-fail", "md0", "sdb")
    made.live(16)
    assert "2 of 3 paths" in made.ask("show md")
    made.until(lambda: given_back(made), within=30)


def test_with_events_nobody_looks_in_between() -> None:
    made, _ = daemon(mdstat=True)
    assert made.service.md.due() is None
    made.host.happen("md-fail", "md0", "sdb")
    made.live(1)
    assert "sdb has failed" in made.ask("show md")


def test_without_an_array_nobody_looks() -> None:
    made = Virtual("small")
    made.settled()
    assert made.service.md.due() is None


@pytest.mark.parametrize("name", ["md0", "md127", "md_d0"])
def test_a_uevent_of_an_array_tells_that_its_events_are_there_now(name: str) -> None:
    made, source = daemon(mdstat=False)
    assert (source.opened, made.service.md.heard) == (0, False)
    source.there = True
    for _ in range(2):
        made.service.noticer.uevents([uevent(name)], now=made.host.monotonic())
    assert (source.opened, made.service.md.heard) == (1, True)
    made.host.happen("md-fail", "md0", "sdb")
    made.live(1)
    assert "2 of 3 paths" in made.ask("show md")


def test_a_uevent_of_an_array_makes_the_daemon_look_although_there_are_no_events() -> None:
    made, _ = daemon()
    made.host.happen("md-fail", "md0", "sdb")
    made.service.noticer.uevents([uevent("md0")], now=made.host.monotonic())
    assert "2 of 3 paths" in made.ask("show md")


def test_a_uevent_of_a_disk_is_no_word_of_md() -> None:
    made, source = daemon(mdstat=False)
    source.there = True
    made.service.noticer.uevents([uevent("sdb")], now=made.host.monotonic())
    assert source.opened == 0


def test_a_configuration_that_is_read_again_is_a_reason_to_look_for_events() -> None:
    made, source = daemon(mdstat=False)
    source.there = True
    made.ask("reconfigure")
    made.until(lambda: source.opened == 1)


# ---- how often


@pytest.mark.parametrize("interval", [5.0, 60.0])
def test_how_often_a_failed_member_is_asked_can_be_set(interval: float) -> None:
    made, _ = daemon(mdstat=True, interval=interval)
    made.host.happen("md-fail", "md0", "sdb")
    assert made.until(lambda: given_back(made), within=100) == pytest.approx(interval, abs=1.0)


# ---- what is told


def test_a_member_that_fails_and_is_given_back_is_told_once_with_its_array_its_name_and_why() -> None:
    made, _ = daemon(mdstat=True)
    made.host.happen("md-fail", "md0", "sdb")
    made.until(lambda: given_back(made), within=60)
    made.live(60)
    failed, again = about_md(made, Kind.SEEN)
    assert (failed.level, failed.path, failed.text, failed.reason) == (
        Level.NOTICE, "sdb", "has failed", "md says faulty",
    )  # fmt: skip
    assert (again.level, again.path, again.text) == (Level.INFO, "sdb", "is no longer failed")
    (done,) = about_md(made, Kind.DONE)
    assert (done.level, done.path) == (Level.NOTICE, "sdb")
    assert done.text == "have md0 use sdb (8:16) again: done"
    assert done.reason == "sdb answers with the array's superblock again"


def test_a_member_that_failed_before_the_daemon_came_is_told() -> None:
    kernel = host()
    kernel.happen("md-fail", "md0", "sdc")
    made = Virtual(host=kernel)
    assert [event.path for event in about_md(made, Kind.SEEN)] == ["sdc"]


def test_a_kernel_that_has_no_such_arrays_any_more_is_told_as_it_is_by_the_command() -> None:
    made = Virtual(host=host("6.8.0-1-amd64", san=""))
    made.settled()
    text = made.ask("show md")
    assert "(6.8.0-1-amd64)" in text
    assert "Linux 6.7 was the last" in text


def test_a_kernel_that_could_have_some_is_said_to_have_none() -> None:
    made = Virtual("small")
    made.settled()
    assert made.ask("show md") == "There is no md array: the md driver is not loaded.\n"
