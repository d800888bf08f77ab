"""The kernel's NVMe driver in a sandbox: controllers that come, go and change state, and the namespaces behind them.

In: the subsystems of a scenario, then changes (a controller's state, an ANA group's, another namespace behind a name),
commands and requests. Out: block devices, sysfs, uevents, and answers. With native multipathing off each controller has
a device for each namespace; with it on there is one head, which is nobody's path, and the rest is hidden.
"""

import errno
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from controller.sandbox import nvme_pages as pages
from controller.sandbox.block import BlockDevice, Io, Kind, Result
from controller.sandbox.disk_attributes import links, synthetic_action
from controller.sandbox.errors import refusal
from controller.sandbox.nvme_san import (
    ANA_STATES,
    ControllerState,
    NvmeController,
    NvmeNamespace,
    NvmeSubsystem,
    NvmeTransport,
)
from controller.sandbox.vfs import Attribute, File, Link, Node, Tree, View
from observers.dmtable import DevT
from observers.kernel.nvme_data import ANA_STATE_TEXT, GET_LOG_PAGE, IDENTIFY, AnaState, Cns, Words

Rows = Mapping[str, Callable[[], Node]]

MAJOR = 259
"""BLOCK_EXT_MAJOR."""

PARAMETER = "/sys/module/nvme_core/parameters/multipath"

_ANA_LOG = 0x0C
_GROUPS_ONLY = 1 << 8
_SERVED = frozenset({AnaState.OPTIMIZED, AnaState.NON_OPTIMIZED})


class Kernel(Protocol):
    """What the driver needs of the kernel."""

    tree: Tree

    def next_diskseq(self) -> int:
        """The next number in the count of all disks."""

    def emit(self, action: str, devpath: str, /) -> None:
        """Send a uevent of a block device."""


class Controller:
    """A controller now. `states`: of its ANA groups; `changes`: how often one changed."""

    def __init__(self, subsystem: NvmeSubsystem, spec: NvmeController, *, identifier: int) -> None:
        self.subsystem, self.spec, self.identifier = subsystem, spec, identifier
        self.state = ControllerState.LIVE
        groups = {each.group for each in subsystem.namespaces}
        changed = {group: ANA_STATES[text] for group, text in spec.states}
        self.states = dict.fromkeys(sorted(groups | set(changed)), AnaState.OPTIMIZED) | changed
        self.changes = 0

    @property
    def name(self) -> str:
        """`nvme0`."""
        return f"nvme{self.spec.number}"

    @property
    def place(self) -> str:
        """Its directory in sysfs."""
        if self.spec.transport is NvmeTransport.PCIE:
            return f"/sys/devices/pci0000:00/0000:00:1d.0/{self.spec.address}/nvme/{self.name}"
        return f"/sys/devices/virtual/nvme-fabrics/ctl/{self.name}"

    def set_group(self, group: int, state: AnaState) -> None:
        """Change an ANA group's state through this controller."""
        self.states[group] = state
        self.changes += 1

    def admin(self, opcode: int, words: Words, namespace: NvmeNamespace | None) -> bytes:
        """The answer to an admin command about a namespace (None: it is not there any more)."""
        if self.state is not ControllerState.LIVE:
            raise refusal(errno.EIO, f"{self.name} is {self.state}")
        if opcode == IDENTIFY:
            return self._identify(words[0] & 0xFF, namespace)
        if opcode == GET_LOG_PAGE and words[0] & 0xFF == _ANA_LOG and self.subsystem.ana:
            return self._ana_log(groups_only=bool(words[0] & _GROUPS_ONLY))
        raise refusal(errno.EIO, f"{self.name}: invalid field in command")

    def _identify(self, kind: int, namespace: NvmeNamespace | None) -> bytes:
        if kind == Cns.CONTROLLER:
            return pages.identify_controller(
                self.subsystem, controller=self.identifier, groups=max(self.states, default=1)
            )
        if kind == Cns.NAMESPACE:
            return pages.identify_namespace(namespace)
        if kind == Cns.DESCRIPTORS:
            return pages.descriptors(namespace)
        raise refusal(errno.EIO, f"{self.name}: invalid field in command")

    def _ana_log(self, *, groups_only: bool) -> bytes:
        members = {
            group: tuple(each.id for each in self.subsystem.namespaces if each.group == group) for group in self.states
        }
        listed = ((group, int(state), members[group]) for group, state in self.states.items())
        return pages.ana_log(listed, changes=self.changes, groups_only=groups_only)


class NamespaceDevice(BlockDevice):
    """A namespace behind one controller: a path. `spec`: which one was found there; `shown`: which one answers now."""

    def __init__(self, controller: Controller, spec: NvmeNamespace, name: str, dev: DevT, *, diskseq: int) -> None:
        super().__init__(name, dev)
        self.controller, self.spec, self.diskseq = controller, spec, diskseq
        self.shown: NvmeNamespace | None = spec
        self._opened = 0

    @property
    def place(self) -> str:
        """Its directory in sysfs."""
        return f"{self.controller.place}/{self.name}"

    @property
    def wwid(self) -> str:
        """As the kernel made it when it found the namespace."""
        return wwid(self.controller.subsystem, self.spec)

    @property
    def sectors(self) -> int:
        """See `BlockDevice`."""
        return self.spec.size

    def open_for_dm(self, *, write: bool) -> None:
        """See `BlockDevice`."""
        if self.controller.state is ControllerState.GONE:
            raise refusal(errno.ENXIO, self.name)
        if write and self.spec.read_only:
            raise refusal(errno.EROFS, self.name)
        self._opened += 1

    def close_for_dm(self) -> None:
        """See `BlockDevice`."""
        self._opened -= 1

    @property
    def serves(self) -> bool:
        """Whether requests get through. Those of device-mapper do not wait for a controller that is reconnecting."""
        state = self.controller.states.get(self.spec.group, AnaState.OPTIMIZED)
        access = state in _SERVED or not self.controller.subsystem.ana
        return self.controller.state is ControllerState.LIVE and self.shown is not None and access

    def submit(self, io: Io) -> None:
        """See `BlockDevice`."""
        refused = io.kind is Kind.WRITE and self.spec.read_only
        io.end(Result.PATH_ERROR if not self.serves else Result.TARGET_ERROR if refused else Result.DONE)

    def read(self, length: int) -> bytes:
        """The beginning of the medium, which nobody wrote to."""
        if not self.serves:
            raise refusal(errno.EIO, self.name)
        return bytes(min(length, self.spec.size * 512))

    def admin(self, opcode: int, words: Words) -> bytes:
        """The answer to an admin command."""
        return self.controller.admin(opcode, words, self.shown)


def wwid(subsystem: NvmeSubsystem, namespace: NvmeNamespace) -> str:
    """As drivers/nvme/host makes the attribute: the best name that there is, or one of vendor, serial and model."""
    if namespace.uuid:
        return f"uuid.{namespace.uuid}"
    if namespace.nguid or namespace.eui64:
        return f"eui.{namespace.nguid or namespace.eui64}"
    serial, model = (text.encode("ascii").hex() for text in (subsystem.serial, subsystem.model))
    return f"nvme.{pages.VENDOR:04x}-{serial}-{model}-{namespace.id:08x}"


class NvmeDriver:
    """All controllers, and the devices behind them."""

    def __init__(self, kernel: Kernel, *, native: bool) -> None:
        self._kernel, self._native = kernel, native
        self.controllers: dict[str, Controller] = {}
        self._devices: dict[str, NamespaceDevice] = {}
        self._minors = 0

    def start(self, subsystems: tuple[NvmeSubsystem, ...]) -> None:
        """Find everything. Without a subsystem the module is not even loaded."""
        if subsystems:
            self._kernel.tree.put(PARAMETER, File(b"Y\n" if self._native else b"N\n", 0o444))
        for number, subsystem in enumerate(subsystems):
            for place, spec in enumerate(subsystem.controllers, 1):
                controller = Controller(subsystem, spec, identifier=place)
                self.controllers[controller.name] = controller
            self._add_subsystem(number, subsystem)

    # ---- finding what there is

    def find(self, name: str) -> NamespaceDevice | None:
        """A device by its kernel name."""
        return self._devices.get(name)

    def by_number(self, dev: DevT) -> NamespaceDevice | None:
        """A device by its number."""
        return next((device for device in self._devices.values() if device.dev == dev), None)

    @property
    def devices(self) -> Iterator[NamespaceDevice]:
        """All devices that can be paths."""
        return iter(list(self._devices.values()))

    # ---- what happens

    def set_state(self, name: str, state: ControllerState) -> bool:
        """Put a controller into a state; False: there is none of that name. One that is gone takes its devices along,
        and has them again when it is back."""
        controller = self.controllers.get(name)
        if controller is None:
            return False
        before, controller.state = controller.state, state
        if state is ControllerState.GONE and before is not state:
            for device in [each for each in self.devices if each.controller is controller]:
                self._remove(device)
        elif before is ControllerState.GONE and state is not before and not self._native:
            self._find_namespaces(controller)
        return True

    # ---- sysfs

    def _add_subsystem(self, number: int, subsystem: NvmeSubsystem) -> None:
        tree, place = self._kernel.tree, f"/sys/devices/virtual/nvme-subsystem/nvme-subsys{number}"
        ours = [each for each in self.controllers.values() if each.subsystem is subsystem]
        for controller in ours:
            _put(tree, controller.place, _controller_rows(controller))
            tree.put(f"/sys/class/nvme/{controller.name}", Link(controller.place))
            tree.put(f"{place}/{controller.name}", Link(controller.place))
        _put(tree, place, _subsystem_rows(subsystem))
        tree.put(f"/sys/class/nvme-subsystem/nvme-subsys{number}", Link(place))
        if self._native:
            self._add_heads(place, ours, subsystem)
        else:
            for controller in ours:
                self._find_namespaces(controller)

    def _find_namespaces(self, controller: Controller) -> None:
        for index, spec in enumerate(controller.subsystem.namespaces, 1):
            name = f"{controller.name}n{index}"
            device = NamespaceDevice(controller, spec, name, self._next_number(), diskseq=self._kernel.next_diskseq())
            self._devices[name] = device
            self._show(device.place, _namespace_rows(device, self._uevent(device.place)))
            self._kernel.emit("add", device.place.removeprefix("/sys"))

    def _add_heads(self, place: str, controllers: list[Controller], subsystem: NvmeSubsystem) -> None:
        """The heads, and below each controller its hidden paths."""
        first = controllers[0].spec.number if controllers else 0
        for index, spec in enumerate(subsystem.namespaces, 1):
            head, seq = f"{place}/nvme{first}n{index}", self._kernel.next_diskseq()
            rows = {**_common_rows(subsystem, spec), **_numbered(self._next_number(), seq)}
            self._show(head, {**rows, "holders": lambda: links(()), "device": lambda: Link(place)})
            for controller in controllers:
                hidden = f"{controller.place}/nvme{first}c{controller.spec.number}n{index}"
                self._show(hidden, _hidden_rows(controller, spec))

    def _next_number(self) -> DevT:
        self._minors += 1
        return DevT(f"{MAJOR}:{self._minors - 1}")

    def _show(self, place: str, rows: Rows) -> None:
        tree, name = self._kernel.tree, place.rpartition("/")[2]
        tree.put(place, View(lambda: rows))
        for link in _links(name):
            tree.put(link, Link(place))

    def _remove(self, device: NamespaceDevice) -> None:
        del self._devices[device.name]
        for link in _links(device.name):
            self._kernel.tree.remove(link)
        self._kernel.tree.remove(device.place)
        self._kernel.emit("remove", device.place.removeprefix("/sys"))

    def _uevent(self, place: str) -> Callable[[str], None]:
        return lambda action: self._kernel.emit(action, place.removeprefix("/sys"))


def _links(name: str) -> tuple[str, ...]:
    return f"/sys/block/{name}", f"/sys/class/block/{name}"


def _put(tree: Tree, place: str, rows: Rows) -> None:
    """Each of the attributes into a directory in which there will be others' too."""
    for name, node in rows.items():
        tree.put(f"{place}/{name}", node())


def _text(value: Callable[[], str]) -> Callable[[], Node]:
    return lambda: Attribute(lambda: f"{value()}\n".encode())


def _texts(**values: str) -> dict[str, Callable[[], Node]]:
    return {name: _text(lambda text=text: text) for name, text in values.items()}  # type: ignore[misc]


def _identity(subsystem: NvmeSubsystem) -> dict[str, str]:
    """Padded as the device reports it."""
    return {
        "model": f"{subsystem.model:<40}",
        "serial": f"{subsystem.serial:<20}",
        "firmware_rev": f"{subsystem.firmware:<8}",
        "subsysnqn": subsystem.name,
    }


def _subsystem_rows(subsystem: NvmeSubsystem) -> Rows:
    return _texts(**_identity(subsystem), iopolicy="numa", subsystype="nvm")


def _controller_rows(controller: Controller) -> Rows:
    spec = controller.spec
    return {
        **_texts(**_identity(controller.subsystem), transport=spec.transport, address=spec.address),
        **_texts(cntlid=str(controller.identifier), cntrltype="io"),
        "state": _text(lambda: controller.state),
        "subsystem": lambda: Link("/sys/class/nvme"),
    }


def _common_rows(subsystem: NvmeSubsystem, spec: NvmeNamespace) -> Rows:
    """What every block device of a namespace has; names that it does not have are not there."""
    names = {"uuid": spec.uuid, "nguid": spec.nguid, "eui": spec.eui64}
    return {
        **_texts(nsid=str(spec.id), wwid=wwid(subsystem, spec), size=str(spec.size), ro=str(int(spec.read_only))),
        **_texts(hidden="0", removable="0", range="0", ext_range="256"),
        **_texts(**{name: text for name, text in names.items() if text}),
        "subsystem": lambda: Link("/sys/class/block"),
        "queue": lambda: View(lambda: _texts(logical_block_size="512", max_sectors_kb="1280", rotational="0")),
    }


def _numbered(dev: DevT, diskseq: int) -> Rows:
    return _texts(dev=dev, diskseq=str(diskseq))


def _hidden_rows(controller: Controller, spec: NvmeNamespace) -> Rows:
    rows = {**_common_rows(controller.subsystem, spec), **_texts(hidden="1")}
    if controller.subsystem.ana:
        rows["ana_grpid"] = _text(lambda: str(spec.group))
        rows["ana_state"] = _text(lambda: ANA_STATE_TEXT[controller.states[spec.group]])
    return {**rows, "device": lambda: Link(controller.place)}


def _namespace_rows(device: NamespaceDevice, uevent: Callable[[str], None]) -> Rows:
    major, _, minor = device.dev.partition(":")
    text = f"MAJOR={major}\nMINOR={minor}\nDEVNAME={device.name}\nDEVTYPE=disk\nDISKSEQ={device.diskseq}\n"
    return {
        **_common_rows(device.controller.subsystem, device.spec),
        **_numbered(device.dev, device.diskseq),
        "device": lambda: Link(device.controller.place),
        "holders": lambda: links(device.holders),
        "slaves": lambda: links(()),
        "uevent": lambda: Attribute(lambda: text.encode(), lambda data: uevent(synthetic_action(data))),
    }
