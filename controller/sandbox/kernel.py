"""The kernel of a sandbox: disks that are found and deleted, device-mapper, uevents, files, semaphores, and time.

In: a scenario, then calls. Out: state that observers and actuators see through `host`. It boots like a host: adapters
are scanned in order, udev sees the disks, files are there, maps are made, then the scenario's events take their course.
"""

import errno
import heapq
from collections.abc import Iterator

from controller.sandbox import sysfs_tree
from controller.sandbox.block import BlockDevice
from controller.sandbox.clock import Clock
from controller.sandbox.disk_attributes import DiskActions
from controller.sandbox.disks import AluaView, Disk, Remote
from controller.sandbox.dm_device import MAJOR, MappedDevice, Pairs
from controller.sandbox.dm_ioctls import DeviceMapper
from controller.sandbox.errors import refusal
from controller.sandbox.fabric import LiveArray
from controller.sandbox.md import MdDriver
from controller.sandbox.nvme import NamespaceDevice, NvmeDriver
from controller.sandbox.san import Adapter, Scenario, Transport
from controller.sandbox.semaphores import Semaphores
from controller.sandbox.udev import Udev
from controller.sandbox.uevents import Uevent, UeventLog
from controller.sandbox.vfs import Directory, File, Folder, Socket, Tree
from observers.dmtable import DevT
from observers.snapshot import ScsiAddress

COOKIE_MAGIC = 0x0D4D << 16
"""DM_COOKIE_MAGIC of libdevmapper.h: the upper half of a cookie's semaphore key."""

UDEV_CONTROL = "/run/udev/control"

USERS = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n"
"""The users of a host whose scenario does not say otherwise."""

_COLONS = 3  # of H:C:T:L

_BASE_FOLDERS = ("/sys/block", "/sys/class/block", "/sys/class/scsi_host", "/sys/dev/block", "/proc", "/run", "/etc")


class Kernel:
    """Everything that a sandbox has, before anything of the scenario's maps and events."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.clock = Clock(scenario.host.time)
        self.tree, self.uevents, self.view = Tree(), UeventLog(), AluaView()
        self.semaphores = Semaphores(self.clock)
        self.device_mapper = DeviceMapper(self)
        self.md = MdDriver(self.tree)
        self.nvme = NvmeDriver(self, native=scenario.host.native_nvme)
        self.arrays = {array.name: LiveArray(array) for array in scenario.arrays}
        self.remotes: list[Remote] = []
        self._disks: dict[str, Disk] = {}
        self._numbers: dict[DevT, Disk] = {}
        self._addresses: dict[ScsiAddress, Disk] = {}
        self._dead: list[Disk] = []
        self._free: list[int] = []
        self._fresh = self._diskseq = 0
        self._shown_maps: dict[str, MappedDevice] = {}
        self.udev = Udev(self, running=scenario.host.udev, delay=scenario.host.udev_delay)
        self._actions = DiskActions(delete=self.delete, rescan=self.rescan, uevent=self._disk_uevent)
        self._lay_out()
        for adapter in scenario.adapters:
            self._add_adapter(adapter)
            self.scan(adapter.host)
        self.nvme.start(scenario.nvme)

    def _lay_out(self) -> None:
        for path in _BASE_FOLDERS:
            self.tree.put(path, Folder())
        self.tree.put("/proc/sys/kernel/osrelease", File(f"{self.scenario.host.release}\n".encode(), 0o444))
        self.tree.put("/etc/passwd", File(USERS.encode(), 0o644))
        if self.scenario.host.udev:
            self.tree.put(UDEV_CONTROL, Socket())
        for file in self.scenario.files:
            self.tree.put(file.path, File(file.text.encode("utf-8", "surrogateescape")))

    def _add_adapter(self, adapter: Adapter) -> None:
        sysfs_tree.add_host(self.tree, adapter, lambda data: self._scan_attribute(adapter.host, data))
        for target, ref in enumerate(adapter.sees):
            remote = Remote(self.clock, adapter, target, ref, self.arrays[ref.array])
            remote.on_lost = self._remote_lost
            self.remotes.append(remote)
            sysfs_tree.add_remote(self.tree, remote)

    # ---- finding what there is

    @property
    def disks(self) -> Iterator[Disk]:
        """All disks, in the order in which they were found."""
        return iter(list(self._disks.values()))

    def disk(self, name: str) -> Disk | None:
        """A disk by its kernel name, or by H:C:T:L."""
        found = self._disks.get(name)
        if found is None and name.count(":") == _COLONS:
            return next((disk for disk in self.disks if str(disk.address) == name), None)
        return found

    def path(self, name: str) -> BlockDevice | None:
        """A disk, or a namespace behind an NVMe controller."""
        return self.disk(name) or self.nvme.find(name)

    def namespace(self, name: str) -> NamespaceDevice | None:
        """A namespace behind an NVMe controller."""
        return self.nvme.find(name)

    def mapped_device(self, name: str) -> MappedDevice | None:
        """A mapped device by its name in the kernel, `dm-0`."""
        prefix, _, minor = name.partition("dm-")
        known = prefix == "" and minor.isdigit()
        return self.device_mapper.find(dev=DevT(f"{MAJOR}:{minor}")) if known else None

    def md_member(self, name: str | DevT) -> tuple[Disk, str] | None:
        """A disk by its name or its number, and its directory in sysfs, for md to use."""
        disk = self._numbers.get(DevT(name)) or self.disk(name)
        return None if disk is None else (disk, sysfs_tree.disk_place(disk))

    def block_device(self, dev: DevT) -> BlockDevice | None:
        """A block device by its number."""
        return self._numbers.get(dev) or self.nvme.by_number(dev) or self.device_mapper.find(dev=dev)

    def file_text(self, path: str) -> str:
        """A file's text; empty when there is none."""
        node = self.tree.find(path)
        return node.data.decode("utf-8", "surrogateescape") if isinstance(node, File) else ""

    # ---- disks come and go

    def scan(self, host: int, *, target: int | None = None, lun: int | None = None) -> None:
        """Find disks that are not there yet, on all targets and logical units or on one."""
        for remote in self.remotes:
            if remote.adapter.host != host or not remote.reachable or target not in (None, remote.target):
                continue
            for number in sorted(remote.array.shown):
                address = ScsiAddress(host, 0, remote.target, number)
                if lun in (None, number) and address not in self._addresses:
                    self._add(address, remote)

    def _scan_attribute(self, host: int, data: bytes) -> None:
        words = data.decode("ascii", "replace").split()
        if len(words) != 3 or not all(word == "-" or word.isdigit() for word in words):
            raise refusal(errno.EINVAL, f"host{host}/scan")
        channel, target, lun = (None if word == "-" else int(word) for word in words)
        if channel in (None, 0):
            self.scan(host, target=target, lun=lun)

    def _add(self, address: ScsiAddress, remote: Remote) -> None:
        disk = Disk(self._next_index(), address, remote, clock=self.clock, view=self.view)
        disk.diskseq = self.next_diskseq()
        remote.disks.append(disk)
        self._disks[disk.name] = self._numbers[disk.dev] = self._addresses[address] = disk
        sysfs_tree.add_disk(self.tree, disk, self._actions)
        self.emit("add", _devpath(disk))

    def _next_index(self) -> int:
        """The lowest index that is free; a deleted disk keeps its own while device-mapper has it open."""
        for disk in [disk for disk in self._dead if not disk.busy]:
            self._dead.remove(disk)
            heapq.heappush(self._free, disk.index)
        if self._free:
            return heapq.heappop(self._free)
        self._fresh += 1
        return self._fresh - 1

    def next_diskseq(self) -> int:
        """The next number in the count of all disks."""
        self._diskseq += 1
        return self._diskseq

    def delete(self, disk: Disk) -> None:
        """Remove a disk from the host."""
        devpath = _devpath(disk)
        sysfs_tree.remove_disk(self.tree, disk)
        for place in (self._disks.pop(disk.name), self._numbers.pop(disk.dev), self._addresses.pop(disk.address)):
            assert place is disk  # noqa: S101 -- three indexes of the same disks
        self._dead.append(disk)
        disk.delete()
        self.emit("remove", devpath)

    def rescan(self, disk: Disk) -> None:
        """Read a disk's pages and capacity again; another size is told to userspace."""
        before = disk.rescan()
        if disk.size != before:
            self.emit("change", _devpath(disk), (("RESIZE", "1"),))

    def _remote_lost(self, remote: Remote) -> None:
        for disk in list(remote.disks):
            self.delete(disk)
        sysfs_tree.remove_remote(self.tree, remote)

    def remote_up(self, remote: Remote) -> None:
        """A target port is back; FC finds again what it had lost."""
        lost = remote.lost
        remote.come_up()
        if lost and remote.adapter.transport is Transport.FC:
            sysfs_tree.add_remote(self.tree, remote)
            self.scan(remote.adapter.host, target=remote.target)

    # ---- uevents

    def emit(self, action: str, devpath: str, env: Pairs = ()) -> None:
        """Send a uevent of a block device; a mapped one comes into sysfs with its first, and leaves with its last."""
        name = devpath.rpartition("/")[2]
        device = self.mapped_device(name)
        if device is not None and name not in self._shown_maps:
            self._shown_maps[name] = device
            sysfs_tree.add_mapped_device(self.tree, device, lambda action: self._map_uevent(device, action))
        elif device is None and name in self._shown_maps:
            sysfs_tree.remove_mapped_device(self.tree, self._shown_maps.pop(name))
        self._send(action, devpath, env)

    def _send(self, action: str, devpath: str, env: Pairs) -> Uevent:
        event = self.uevents.add(action, devpath, time=self.clock.now, env=env)
        self.udev.receive(event)
        return event

    def look_again(self, disk: Disk) -> None:
        """Send a `change` uevent of a disk, as a write to its attribute `uevent` does."""
        self._disk_uevent(disk, "change")

    def _disk_uevent(self, disk: Disk, action: str) -> None:
        self._send(action, _devpath(disk), (("SYNTH_UUID", "0"),))

    def _map_uevent(self, device: MappedDevice, action: str) -> None:
        self._send(action, device.devpath, (("SYNTH_UUID", "0"),))

    def udev_complete(self, base: int) -> None:
        """Count a cookie's semaphore down, as `dmsetup udevcomplete` does."""
        self.semaphores.count_down(COOKIE_MAGIC | base)

    def set_udev(self, *, running: bool) -> None:
        """Start or stop the udev daemon; its control socket comes and goes with it."""
        self.udev.running = running
        if running:
            self.tree.put(UDEV_CONTROL, Socket())
        else:
            self.tree.remove(UDEV_CONTROL)

    # ---- files

    def replace_file(self, path: str, data: bytes, *, mode: int) -> None:
        """Write a file as a whole; its directory is made if absent."""
        node = self.tree.find(path)
        if isinstance(node, Directory):
            raise refusal(errno.EISDIR, path)
        self.tree.put(path, File(data, mode, self.clock.wall))

    def create_file(self, path: str, *, mode: int, modified: float) -> None:
        """Make an empty file; its directory is made if absent."""
        if self.tree.find(path) is not None:
            raise refusal(errno.EEXIST, path)
        self.tree.put(path, File(b"", mode, modified))

    def remove_file(self, path: str) -> None:
        """Remove a file."""
        node = self.tree.lookup(path)[1]
        if not isinstance(node, File):
            raise refusal(errno.EISDIR if isinstance(node, Directory) else errno.EPERM, path)
        self.tree.remove(path)


def _devpath(disk: Disk) -> str:
    return sysfs_tree.disk_place(disk).removeprefix("/sys")
