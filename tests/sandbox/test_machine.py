"""Random sequences of calls and events: whatever happens, the sandbox keeps what a kernel keeps.

A live table is never lost, event numbers never go back, requests are served, waiting or failed but never forgotten,
what a map opened is closed when it goes, and table and status are always in dm-multipath's grammar.
"""

import errno
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from controller.sandbox.block import Io, Kind
from controller.sandbox.dm_device import MappedDevice
from controller.sandbox.errors import WouldBlock
from observers.dmtable import Sectors, parse_status, parse_table
from observers.kernel.dm_ioctl import NO_FLAGS, Command, Flag
from tests.sandbox import dm

NAMES = ("a", "b")
FLAGS = st.sampled_from([NO_FLAGS, Flag.DM_NOFLUSH_FLAG, Flag.DM_NOFLUSH_FLAG | Flag.DM_SKIP_LOCKFS_FLAG])
PARAMS = st.sampled_from(
    [
        "1 queue_if_no_path 0 2 1 service-time 0 1 1 8:0 1 service-time 0 1 1 8:64 1",
        "0 0 1 1 service-time 0 2 1 8:0 1 8:64 1",
        "0 0 1 1 round-robin 0 1 1 8:64 1",
        "0 0 1 1 round-robin 0 1 1 99:9 1",
        "0 0 2 1 round-robin 0 1 1 8:64 1",
    ]
)
MESSAGES = st.sampled_from(
    [
        "fail_path 8:0",
        "reinstate_path 8:0",
        "fail_path 8:64",
        "reinstate_path 8:64",
        "switch_group 1",
        "switch_group 2",
        "disable_group 1",
        "enable_group 1",
        "queue_if_no_path",
        "fail_if_no_path",
        "bogus",
    ]
)
EXPECTED = {0, errno.EBUSY, errno.EINVAL, errno.ENXIO}


def _outcome(call: Callable[[], object]) -> int | None:
    """The errno of a call; 0 when it did not fail, or would have slept."""
    try:
        call()
    except WouldBlock:
        return 0
    except OSError as error:
        return error.errno
    return 0


class Machine(RuleBasedStateMachine):
    """Two maps over two paths, and everything that can be done to them."""

    @initialize()
    def boot(self) -> None:
        self.host = dm.san(dm.PLAIN)
        self.events: dict[int, tuple[MappedDevice, int]] = {}
        self.requests: list[Io] = []

    @property
    def devices(self) -> list[MappedDevice]:
        return self.host.kernel.device_mapper.devices

    def device(self, name: str) -> MappedDevice | None:
        return self.host.kernel.device_mapper.find(name=name)

    def live(self, name: str) -> object:
        device = self.device(name)
        return device.live if device is not None else None

    def attempt(self, call: Callable[[], object]) -> None:
        """A kernel says no by an errno, or would sleep: nothing else may come out."""
        assert _outcome(call) in EXPECTED

    @rule(name=st.sampled_from(NAMES))
    def create(self, name: str) -> None:
        self.attempt(lambda: dm.create(self.host, name, f"mpath-{name}"))

    @rule(name=st.sampled_from(NAMES), params=PARAMS, size=st.sampled_from([dm.SIZE, dm.SIZE + 8, 64]))
    def load(self, name: str, params: str, size: int) -> None:
        before = self.live(name)
        self.attempt(lambda: dm.load(self.host, params, name=name, size=size))
        assert self.live(name) is before

    @rule(name=st.sampled_from(NAMES), flags=FLAGS)
    def resume(self, name: str, flags: Flag) -> None:
        had = self.live(name) is not None
        self.attempt(lambda: dm.resume(self.host, name, flags=flags))
        assert self.live(name) is not None or not had

    @rule(name=st.sampled_from(NAMES), flags=FLAGS)
    def suspend(self, name: str, flags: Flag) -> None:
        self.attempt(lambda: dm.suspend(self.host, name, flags=flags))

    @rule(name=st.sampled_from(NAMES))
    def clear(self, name: str) -> None:
        before = self.live(name)
        self.attempt(lambda: dm.call(self.host, Command.DM_TABLE_CLEAR, name=name))
        assert self.live(name) is before

    @rule(name=st.sampled_from(NAMES), new=st.sampled_from(NAMES))
    def rename(self, name: str, new: str) -> None:
        self.attempt(lambda: dm.rename(self.host, new, name=name))

    @rule(name=st.sampled_from(NAMES), flags=st.sampled_from([NO_FLAGS, Flag.DM_DEFERRED_REMOVE]))
    def remove(self, name: str, flags: Flag) -> None:
        self.attempt(lambda: dm.remove(self.host, name, flags=flags))

    @rule(name=st.sampled_from(NAMES), text=MESSAGES)
    def message(self, name: str, text: str) -> None:
        self.attempt(lambda: dm.message(self.host, text, name=name))

    @rule(name=st.sampled_from(NAMES), kind=st.sampled_from(Kind))
    def request(self, name: str, kind: Kind) -> None:
        if self.device(name) is not None:
            self.requests.append(self.host.request(name, kind))

    @rule(name=st.sampled_from(NAMES), verb=st.sampled_from(["open", "close"]))
    def use(self, name: str, verb: str) -> None:
        device = self.device(name)
        if device is not None and (verb == "open" or device.open_count):
            self.host.happen(verb, name)

    @rule(
        disk=st.sampled_from(["0:0:0:0", "1:0:0:0"]),
        verb=st.sampled_from(["offline", "online", "delete", "rescan", "mount", "unmount", "link up", "link silent"]),
    )
    def disk(self, disk: str, verb: str) -> None:
        if self.host.kernel.disk(disk) is not None:
            self.host.happen(*verb.split(), disk)

    @rule(what=st.sampled_from(["unmap plain:0", "show plain:0", "scan 0", "scan 1", "adapter-down 0", "adapter-up 0"]))
    def san(self, what: str) -> None:
        self.host.happen(*what.split())

    @rule(seconds=st.integers(1, 100))
    def wait(self, seconds: int) -> None:
        self.host.advance(seconds)

    @invariant()
    def event_numbers_never_go_back(self) -> None:
        seen = {id(device): (device, device.event_number) for device in self.devices}
        for key, (device, number) in seen.items():
            known = self.events.get(key)
            assert known is None or known[0] is not device or known[1] <= number
        self.events = seen

    @invariant()
    def texts_follow_the_grammar(self) -> None:
        for device in self.devices:
            if device.live is not None:
                table = parse_table(Sectors(0), dm.table(self.host, device.label))
                status = parse_status(Sectors(0), dm.status(self.host, device.label))
                assert [path.dev for path in status.paths] == list(table.devices)

    @invariant()
    def requests_are_served_waiting_or_failed(self) -> None:
        held = {id(io) for device in self.devices for io in device.held}
        waiting = [io for io in self.requests if io.waits and id(io) not in held]
        assert len(waiting) <= sum(device.in_flight for device in self.devices)

    @invariant()
    def nothing_waits_in_a_running_map_while_a_path_is_active(self) -> None:
        for device in self.devices:
            if device.live is not None and not device.suspended and not device.in_flight:
                active = any(path.active for path in parse_status(Sectors(0), dm.status(self.host, device.label)).paths)
                assert not (active and device.held)

    @invariant()
    def disks_are_held_by_maps_that_exist(self) -> None:
        names = {device.name for device in self.devices}
        assert all(set(disk.holders) <= names for disk in self.host.kernel.disks)

    @invariant()
    def sysfs_and_device_mapper_agree(self) -> None:
        shown = {name for name in self.host.list_directory("/sys/block") if name.startswith("dm-")}
        assert shown == {device.name for device in self.devices if device.registered}


Machine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestMachine = Machine.TestCase
