"""The same lanes over a sandbox, in virtual time: what hangs there, hangs for its own lane alone."""

import pytest

from controller.runtime.lanes import Lanes, TimedOut, host_capacity
from controller.sandbox.big import big_san
from controller.sandbox.engine import SandboxEngine
from controller.sandbox.errors import WouldBlock
from controller.sandbox.host import SandboxHost
from controller.sandbox.waiting import VirtualSelector
from observers.asking import Dialogue, DirectRead, read
from observers.snapshot import DeviceName
from tests.runtime.dialogues import tur
from tests.sandbox import dm
from tests.sandbox.test_dm_states import FC


class Rig:
    """Lanes over a sandbox, and a loop of three lines."""

    def __init__(self, host: SandboxHost) -> None:
        self.host, self.engine = host, SandboxEngine(host)
        self.lanes = Lanes(self.engine, capacity=host_capacity(host))
        self.selector = VirtualSelector(host.kernel.clock)
        self.selector.register(self.lanes)
        self.begun = host.monotonic()

    def start(self, name: str, dialogue: Dialogue[object], *, seconds: float = 30.0, group: str = "host0") -> None:
        now = self.host.monotonic()
        assert self.lanes.start(DeviceName(name), group, dialogue, now=now, deadline=now + seconds, token=None)

    def run(self, seconds: float) -> list[tuple[str, object, float]]:
        """What is found in so many seconds, and when."""
        end, found = self.host.monotonic() + seconds, []
        while (now := self.host.monotonic()) < end:
            due = self.lanes.due()
            self.selector.select(min(end, due if due is not None else end) - now)
            for each in self.lanes.finished(self.host.monotonic()):
                found.append((each.key, each.finding, round(self.host.monotonic() - self.begun, 3)))
        return found


@pytest.fixture
def rig() -> Rig:
    return Rig(dm.san(FC))


def test_a_healthy_disk_answers_at_once(rig: Rig) -> None:
    rig.start("sda", tur())
    assert rig.run(1) == [("sda", "0/0", 0.0)]


def test_a_silent_disk_is_late_alone_and_free_when_its_command_ends(rig: Rig) -> None:
    rig.host.happen("link", "silent", "sda")
    rig.start("sda", tur(), seconds=5)
    rig.start("sdb", tur(), seconds=5)
    assert rig.run(29) == [("sdb", "0/0", 0.0), ("sda", TimedOut(asked=True), 5.0)]
    assert rig.lanes.busy("sda")
    assert rig.run(2) == []
    assert not rig.lanes.busy("sda")


def test_a_command_to_a_silent_disk_ends_by_its_own_timeout(rig: Rig) -> None:
    rig.host.happen("link", "silent", "sda")
    rig.start("sda", tur(), seconds=60)
    assert rig.run(60) == [("sda", "0/3", 30.0)]


def test_a_read_of_a_silent_disk_ends_by_its_own_timeout(rig: Rig) -> None:
    def reading() -> Dialogue[str]:
        try:
            yield from read(DirectRead(length=512, timeout=7.0))
        except TimeoutError:
            return "timed out"
        return "read"

    rig.host.happen("link", "silent", "sda")
    rig.start("sda", reading(), seconds=60)
    assert rig.run(60) == [("sda", "timed out", 7.0)]


def test_a_blocked_disk_answers_when_its_transport_gives_up(rig: Rig) -> None:
    rig.host.happen("port-down", "a/5000000000000001")
    rig.start("sda", tur(), seconds=60)
    assert rig.run(60) == [("sda", "0/1", 5.0)]


def test_a_disk_that_is_not_there_is_refused(rig: Rig) -> None:
    rig.start("sdzz", tur())
    assert rig.run(1) == [("sdzz", "refused 2", 0.0)]


def test_a_thousand_silent_disks_keep_the_others_for_less_than_a_tick() -> None:
    rig = Rig(SandboxHost(big_san(256, 8)))
    names = [disk.name for disk in rig.host.kernel.disks]
    silent = names[::2]
    rig.host.happen("link", "silent", *silent)
    for name in names:
        rig.start(name, tur(), group=f"host{rig.host.kernel.disk(name).address.host}")  # type: ignore[union-attr]
    found = rig.run(20)
    assert len(found) == len(names) - len(silent)
    assert max(when for _, _, when in found) < 3.0


def test_the_limit_of_a_host_holds_in_the_sandbox(rig: Rig) -> None:
    rig.host.happen("link", "silent", "sda", "sdb")
    rig.start("sda", tur())
    rig.start("sdb", tur())
    assert rig.engine.most_out == {"host0": 2}


def test_a_call_is_made(rig: Rig) -> None:
    now = rig.host.monotonic()
    rig.lanes.call("k", "g", lambda: rig.host.effective_user(), now=now, deadline=now + 1, token=None)
    assert rig.run(0.5) == [("k", 0, 0.0)]


def test_a_forgotten_disk_is_asked_no_more(rig: Rig) -> None:
    rig.host.happen("link", "silent", "sda")
    rig.start("sda", tur())
    rig.lanes.forget("sda")
    assert rig.engine.next_due() is None
    assert rig.run(40) == []


def test_waiting_for_what_never_comes_is_refused() -> None:
    host = dm.san()
    selector = VirtualSelector(host.kernel.clock)
    engine = SandboxEngine(host)
    selector.register(engine, data="engine")
    with pytest.raises(WouldBlock):
        selector.select(None)
    assert selector.select(1.5) == []
    assert host.monotonic() == pytest.approx(101.5)
    engine.run(1, "g", lambda: None)
    assert [(key.data, events) for key, events in selector.select(None)] == [("engine", 1)]
    selector.unregister(engine)
    assert selector.select(0) == []
