"""SCSI disks as the host has them: states, what was cached when they were scanned, commands and I/O per state.

In: commands, requests, and changes of a disk's or a remote port's state. Out: replies, results, `OSError` where the
kernel does not even open the disk. What the array says is `fabric`'s; what the host believes of it is here, and may be
old. Facts: drivers/scsi/scsi_lib.c, sd.c, scsi_dh.c, scsi_dh_alua.c and scsi_transport_fc.c of Linux 6.1.
"""

import errno
from collections.abc import Callable, Mapping

from controller.sandbox import pages
from controller.sandbox.block import BlockDevice, Io, Kind, Result
from controller.sandbox.clock import Clock
from controller.sandbox.disk_words import (
    DEV_LOSS,
    DID_NO_CONNECT,
    DID_TIME_OUT,
    DRIVER_TIMEOUT,
    FAST_IO_FAIL,
    OFF,
    RECOVERY,
    DiskState,
    Link,
    disk_name,
    disk_number,
)
from controller.sandbox.errors import refusal
from controller.sandbox.fabric import LiveArray
from controller.sandbox.san import AccessState, Adapter, PortRef, Tpgs, Transport
from observers.host import ScsiReply
from observers.snapshot import ScsiAddress

_SWALLOWED = {(0x29, 0x00), (0x29, 0x04), (0x2A, 0x01), (0x2A, 0x06), (0x2A, 0x07), (0x3F, 0x03), (0x3F, 0x0E)}
"""Unit attentions after which the ALUA device handler has the command sent again, so that nobody sees them."""

_RECHECK = {(0x29, 0x00), (0x2A, 0x06)}
"""And those after which it asks for the access states first."""

_MAX_ATTENTIONS = 8


class Remote:
    """A target port as an adapter sees it: an FC remote port, an iSCSI session, or just a SCSI target."""

    def __init__(self, clock: Clock, adapter: Adapter, target: int, ref: PortRef, array: LiveArray) -> None:
        self._clock = clock
        self.adapter, self.target, self.ref, self.array = adapter, target, ref, array
        self.reachable, self.lost = True, False
        self.timers = {"fast_io_fail_tmo": FAST_IO_FAIL, "dev_loss_tmo": DEV_LOSS, "recovery_tmo": RECOVERY}
        self.disks: list[Disk] = []
        self.on_lost: Callable[[Remote], None] = lambda _: None
        self._outage = 0

    @property
    def key(self) -> str:
        """Its name in sysfs."""
        host = self.adapter.host
        names = {
            Transport.FC: f"rport-{host}:0-{self.target}",
            Transport.ISCSI: f"session{host * 100 + self.target}",
            Transport.SAS: f"end_device-{host}:{self.target}",
        }
        return names.get(self.adapter.transport, "")

    @property
    def state(self) -> str:
        """What the transport's attribute says (`port_state`, an iSCSI session's `state`)."""
        if self.adapter.transport is Transport.ISCSI:
            return "LOGGED_IN" if self.reachable else "FAILED"
        return "Online" if self.reachable else "Not Present" if self.lost else "Blocked"

    def go_down(self) -> None:
        """The port is gone: the transport blocks its disks, and gives them up after its timeouts."""
        if not self.reachable:
            return
        self.reachable, self._outage = False, self._outage + 1
        outage = self._outage
        if self.adapter.transport is Transport.FC:
            self._each(Disk.block)
            if self.timers["fast_io_fail_tmo"] != OFF:
                self._clock.after(self.timers["fast_io_fail_tmo"], lambda: self._give_up(outage))
            self._clock.after(self.timers["dev_loss_tmo"], lambda: self._lose(outage))
        elif self.adapter.transport is Transport.ISCSI:
            self._each(Disk.block)
            if self.timers["recovery_tmo"] != OFF:
                self._clock.after(self.timers["recovery_tmo"], lambda: self._give_up(outage))
        else:
            self._each(lambda disk: disk.set_link(Link.NO_CONNECT))

    def come_up(self) -> None:
        """The port is back."""
        self.reachable, self.lost = True, False
        self._each(Disk.unblock)
        self._each(lambda disk: disk.set_link(Link.UP))

    def _give_up(self, outage: int) -> None:
        if outage == self._outage and not self.reachable:
            self._each(Disk.transport_offline)

    def _lose(self, outage: int) -> None:
        if outage == self._outage and not self.reachable:
            self.lost = True
            self.on_lost(self)

    def _each(self, action: "Callable[[Disk], None]") -> None:
        for disk in list(self.disks):
            action(disk)


class AluaView:
    """What the ALUA device handlers of a host believe: the state of each group of each unit, as last reported."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, int], tuple[AccessState, bool]] = {}

    def report(self, disk: "Disk") -> None:
        """Take over what the array reports through a disk, for all groups of its unit."""
        unit = disk.array.shown.get(disk.address.lun)
        if unit is None:
            return
        for group in disk.array.spec.groups:
            self._states[disk.unit_name, group.id] = unit.states[group.id], group.preferred

    def state(self, disk: "Disk") -> tuple[AccessState, bool]:
        """The state of a disk's group, and its preference bit."""
        return self._states.get((disk.unit_name, disk.group), (AccessState.OPTIMIZED, False))


class Disk(BlockDevice):
    """A SCSI disk.

    `inquiry`, `pages`, `identity`, `size`: as the kernel read them when it scanned the disk, or was told to again.
    `tunables`: attributes that root may set. `mounted`: somebody other than device-mapper has it for himself alone.
    """

    def __init__(self, index: int, address: ScsiAddress, remote: Remote, *, clock: Clock, view: AluaView) -> None:
        super().__init__(disk_name(index), disk_number(index))
        self.index, self.address, self.remote, self.array = index, address, remote, remote.array
        self._clock, self._view = clock, view
        self.state, self.link = DiskState.RUNNING, Link.UP
        self.diskseq = 0
        self.size, self.read_only = 0, False
        self.inquiry: bytes = b""
        self.pages: Mapping[int, bytes] = {}
        self.identity = _nobody(remote)
        self.mounted = False
        self.tunables = {"timeout": "30", "eh_timeout": "10", "queue_depth": "32", "max_sectors_kb": "1280",
                         "max_retries": "5"}  # fmt: skip
        self._attached = ""
        self._opened = 0
        self._waiting: list[Io] = []
        self.nexus = self.array.connect(remote.adapter.port, remote.ref.port, address.lun)
        self.unit_name, self.group = "", self.array.group_of(remote.ref.port).id
        self.rescan()

    # ---- what the kernel knows

    @property
    def sectors(self) -> int:
        """See `BlockDevice`."""
        return self.size

    @property
    def handler(self) -> str:
        """See `BlockDevice`."""
        return self._attached

    @property
    def access(self) -> tuple[AccessState, bool]:
        """The access state and the preference bit that the device handler knows."""
        return self._view.state(self)

    @property
    def gone(self) -> bool:
        """Whether it was removed from the host; device-mapper may still hold it."""
        return self.state is DiskState.DELETED

    @property
    def busy(self) -> bool:
        """Whether its name and number are still in use."""
        return not self.gone or self._opened > 0

    def rescan(self) -> int:
        """Read INQUIRY data, pages and capacity again; the size before that."""
        before, who = self.size, self.array.identity(self.nexus)
        unit = self.array.shown.get(self.address.lun)
        if who is None or unit is None or self.link is not Link.UP:
            return before
        if not self.inquiry:
            self.inquiry = pages.standard_inquiry(who)
            self.unit_name = who.naa or pages.t10_name(who)
            self._attached = "alua" if who.tpgs is not Tpgs.NONE else self.array.spec.handler
        self.identity, self.pages = who, pages.vpd_pages(who)
        self.size, self.read_only = unit.size, unit.read_only
        if self._attached == "alua":
            self._view.report(self)
        return before

    # ---- states

    def set_state(self, state: DiskState) -> bool:
        """What a write to the attribute `state` does; False: it may not go there from where it is."""
        if self.state not in (DiskState.RUNNING, DiskState.OFFLINE):
            return False
        self._become(state)
        return True

    def block(self) -> None:
        """The transport holds all commands back."""
        if self.state is DiskState.RUNNING:
            self._become(DiskState.BLOCKED)

    def unblock(self) -> None:
        """The transport lets commands through again."""
        if self.state in (DiskState.BLOCKED, DiskState.TRANSPORT_OFFLINE):
            self._become(DiskState.RUNNING)

    def transport_offline(self) -> None:
        """The transport has given the disk up; requests fail from now on."""
        if self.state is DiskState.BLOCKED:
            self._become(DiskState.TRANSPORT_OFFLINE)

    def delete(self) -> None:
        """Remove it from the host."""
        self._become(DiskState.DELETED)
        self.array.disconnect(self.nexus)
        self.remote.disks.remove(self)

    def set_link(self, link: Link) -> None:
        """Change what becomes of commands."""
        self.link = link
        self._release()

    def _become(self, state: DiskState) -> None:
        self.state = state
        self._release()

    def _release(self) -> None:
        if self.state is DiskState.BLOCKED or (self.state is DiskState.RUNNING and self.link is Link.SILENT):
            return
        waiting, self._waiting = self._waiting, []
        for io in waiting:
            self.submit(io)

    # ---- opening

    def check_open(self) -> None:
        """Whether open(2) succeeds: an offline disk has no such device or address."""
        if self.state in (DiskState.OFFLINE, DiskState.TRANSPORT_OFFLINE, DiskState.DELETED):
            raise refusal(errno.ENXIO, self.name)

    def open_for_dm(self, *, write: bool) -> None:
        """See `BlockDevice`."""
        self.check_open()
        if write and self.read_only:
            raise refusal(errno.EROFS, self.name)
        if self.mounted:
            raise refusal(errno.EBUSY, self.name)
        self._opened += 1

    def close_for_dm(self) -> None:
        """See `BlockDevice`."""
        self._opened -= 1

    def hold(self) -> None:
        """A program has it open: its name and number stay its own even when it is deleted."""
        self._opened += 1

    def let_go(self) -> None:
        """That program has closed it."""
        self._opened -= 1

    # ---- device handlers

    def attach_handler(self, name: str) -> None:
        """See `BlockDevice`. A handler asks the disk whether it is one for it."""
        errors = {"alua": errno.ENODEV, "emc": errno.ENODEV, "rdac": errno.EINVAL}
        fits = name == "hp_sw" or name == self.array.spec.handler or (name == "alua" and bool(self.array.spec.tpgs))
        if not fits:
            raise refusal(errors.get(name, errno.EINVAL), f"{self.name}: {name}")
        self._attached = name

    def activate(self) -> bool:
        """See `BlockDevice`: with explicit ALUA the array is told to make this path's group optimized."""
        if self.state is not DiskState.RUNNING or self.link is not Link.UP or self.nexus.number not in self.array.shown:
            return False
        if self._attached == "alua":
            if self.array.spec.tpgs & Tpgs.EXPLICIT:
                self.array.activate(self.nexus)
            self._view.report(self)
        return True

    # ---- commands

    def execute(self, cdb: bytes, *, timeout: float) -> ScsiReply:
        """A command by SG_IO. While the transport blocks the disk this waits, in virtual time."""
        return self._sent(lambda: self.array.execute(self.nexus, cdb), timeout=timeout)

    def register(self, parameters: bytes, *, timeout: float) -> ScsiReply:
        """PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY; it waits likewise."""
        return self._sent(lambda: self.array.register(self.nexus, parameters), timeout=timeout)

    def _sent(self, ask: Callable[[], ScsiReply], *, timeout: float) -> ScsiReply:
        self.check_open()
        self._clock.wait(lambda: self.state is not DiskState.BLOCKED, what=f"SCSI command to {self.name}")
        if self.state is not DiskState.RUNNING or self.link is Link.NO_CONNECT:
            return ScsiReply(status=0, host_status=DID_NO_CONNECT, driver_status=0, sense=b"", data=b"")
        if self.link is Link.SILENT:
            self._clock.advance(timeout)
            return ScsiReply(status=0, host_status=DID_TIME_OUT, driver_status=DRIVER_TIMEOUT, sense=b"", data=b"")
        return self._asked(ask)

    def read(self, length: int, *, timeout: float, offset: int = 0) -> bytes:
        """Bytes of the medium, zero where nobody wrote any, for one who waits for them himself."""
        self._clock.wait(lambda: self.state is not DiskState.BLOCKED, what=f"read of {self.name}")
        if self.state is DiskState.RUNNING and self.link is Link.SILENT:
            self._clock.advance(timeout)
            raise refusal(errno.ETIMEDOUT, self.name)
        broken = self.state is not DiskState.RUNNING or self.link is not Link.UP
        if broken or self._served(Kind.READ) is not Result.DONE:
            raise refusal(errno.EIO, self.name)
        unit = self.array.shown.get(self.nexus.number)
        room = max(0, min(length, self.size * 512 - offset))
        return bytes(room) if unit is None else unit.read(offset, room)

    def _asked(self, ask: Callable[[], ScsiReply]) -> ScsiReply:
        """An answer, after those unit attentions that the ALUA handler deals with."""
        reply = ask()
        for _ in range(_MAX_ATTENTIONS):
            code = _code(reply)
            if self._attached != "alua" or code not in _SWALLOWED or reply.sense[2] != 6:
                break
            if code in _RECHECK:
                self._view.report(self)
            reply = ask()
        return reply

    # ---- requests

    def submit(self, io: Io) -> None:
        """See `BlockDevice`."""
        if self.state is DiskState.BLOCKED or (self.state is DiskState.RUNNING and self.link is Link.SILENT):
            self._waiting.append(io)
        elif self.state is not DiskState.RUNNING or self.link is not Link.UP:
            io.end(Result.PATH_ERROR)
        else:
            io.end(self._served(io.kind))

    def _served(self, kind: Kind) -> Result:
        for _ in range(_MAX_ATTENTIONS):  # the disk driver sends a request again after any unit attention
            if not self.nexus.attentions or self.nexus.number not in self.array.shown:
                break
            attention = self.nexus.attentions.pop(0)
            if self._attached == "alua" and attention[1:] in _RECHECK:
                self._view.report(self)
        if self.array.ready(self.nexus).status:
            return Result.PATH_ERROR
        unit = self.array.shown[self.nexus.number]
        return Result.TARGET_ERROR if kind is Kind.WRITE and unit.read_only else Result.DONE


def _code(reply: ScsiReply) -> tuple[int, int]:
    return (reply.sense[12], reply.sense[13]) if len(reply.sense) > 13 else (0, 0)


def _nobody(remote: Remote) -> pages.Identity:
    """The identity of a disk before it was read."""
    return pages.Identity(
        vendor="",
        product="",
        revision="",
        serial="",
        naa="",
        tpgs=Tpgs.NONE,
        group=0,
        relative_port=0,
        port=remote.ref.port,
        node="",
    )
