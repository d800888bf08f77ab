"""A guest as the tests see it: mpathctl and Debian's tools as methods, device-mapper and disks as values.

In: a `Machine`. Everything is read by dmsetup, udevadm and from sysfs, never by mpathctl itself, so that a test does
not believe the program that it tests.
"""

import re
import shlex
import sys
from dataclasses import dataclass

from observers.dmtable import GroupState, Sectors, parse_status, parse_table
from tests.vm.machine import Done, Machine

MPATHCTL = f"{sys.prefix}/bin/mpathctl"
ENTRY_POINT = "controller.cli.main:main"

READING_IOCTLS = frozenset(
    {
        *("DM_VERSION", "DM_LIST_DEVICES", "DM_LIST_VERSIONS", "DM_GET_TARGET_VERSION"),
        *("DM_DEV_STATUS", "DM_TABLE_STATUS", "DM_TABLE_DEPS", "DM_DEV_ARM_POLL"),
    }
)
"""Device-mapper's ioctls that change nothing. Whatever else a program sends to it is a write."""

STRACE = "strace -f --seccomp-bpf -e trace=ioctl -P /dev/mapper/control -o /tmp/ioctls"
"""Traces what goes to device-mapper, and nothing else: a Python program makes hundreds of other ioctls."""

CONF = "/etc/multipath.conf"


_RECORDS = (
    "dmsetup info -c --noheadings --separator ' ' -o name,major,minor -S 'uuid=~^mpath-' | "
    "while read -r name major minor; do echo $name $(stat -c %.Y /run/udev/data/b$major:$minor); done"
)


@dataclass(frozen=True, slots=True)
class DmMap:
    """A multipath map as dmsetup shows it: the words after `multipath` in its table and its status."""

    name: str
    uuid: str
    size: int
    table: str
    status: str
    suspended: bool
    loaded: str
    """Which tables there are: `Live`, `Inactive`, `Both` or `None`."""
    event_number: int

    @property
    def devices(self) -> list[str]:
        """The numbers of the paths in the table, in order."""
        return re.findall(r"\b\d+:\d+\b", self.table)

    @property
    def groups(self) -> list[set[str]]:
        """The numbers of the paths by group. Inside a group the order means nothing."""
        table = parse_table(Sectors(self.size), self.table)
        return [{path.dev for path in group.paths} for group in table.groups]

    @property
    def in_use(self) -> set[str]:
        """The numbers of the paths in the group that the last I/O used; empty when none was since the last switch."""
        status = parse_status(Sectors(self.size), self.status)
        active = [group for group in status.groups if group.state is GroupState.ACTIVE]
        return {path.dev for group in active for path in group.paths}

    @property
    def loadable(self) -> tuple[object, ...]:
        """What was loaded, as far as it means something: the initial group is left out, for any I/O may change it."""
        table = parse_table(Sectors(self.size), self.table)
        selectors = [(group.selector, group.selector_args) for group in table.groups]
        return self.uuid, self.size, table.features, table.hardware_handler, selectors, self.groups

    def works(self, device: str) -> bool:
        """Whether dm would use this path: `A` in the status."""
        found = re.search(rf"\b{device} ([AF]) ", self.status + " ")
        assert found, f"{device} is not in {self.status}"
        return found[1] == "A"


class Guest:
    """A running guest."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def sh(self, script: str) -> str:
        """The output of a script that must succeed."""
        return self.machine.check(script)

    def run(self, script: str) -> Done:
        """A script that may fail."""
        return self.machine.run(script)

    def configure(self, text: str) -> None:
        """Write /etc/multipath.conf."""
        self.machine.check("true", files={CONF: text})

    # mpathctl

    def mpathctl(self, *words: str) -> Done:
        """Run mpathctl with these words, its Python already started."""
        return self.machine.run_preloaded(ENTRY_POINT, [MPATHCTL, *words])

    def command(self, *words: str, prefix: str = "") -> Done:
        """Run the installed command itself, with another (strace, setpriv) before it if one is given."""
        return self.machine.run(f"{prefix} {MPATHCTL} {shlex.join(words)}")

    def reconcile(self) -> str:
        """Run `mpathctl reconcile`, which must end well; its output.

        It ends well only when its own second look found nothing left to do; that a dry run agrees, one test checks.
        """
        done = self.mpathctl("reconcile")
        assert done.status == 0, f"exit status {done.status}\n{done.out}{done.err}\n{self.describe()}"
        return done.out

    def assert_nothing_to_do(self) -> None:
        """A dry run that finds nothing to do."""
        done = self.mpathctl("reconcile", "--dry-run")
        assert done.status == 0, f"exit status {done.status}\n{done.out}{done.err}\n{self.describe()}"

    def writing_ioctls(self, *words: str) -> tuple[Done, list[str]]:
        """Run mpathctl under strace; what it did, and the names of the device-mapper ioctls of its that write."""
        done = self.command(*words, prefix=STRACE)
        sent = re.findall(r"ioctl\(\d+, (DM_[A-Z_]+)", self.sh("cat /tmp/ioctls"))
        assert sent, "strace saw no device-mapper ioctl at all"
        return done, [name for name in sent if name not in READING_IOCTLS]

    # device-mapper

    def maps(self) -> dict[str, DmMap]:
        """All multipath maps by name."""
        columns = "name,uuid,suspended,events,tables_loaded"
        info = self.sh(f"dmsetup info -c --noheadings --separator '|' -o {columns} -S 'uuid=~^mpath-'")
        tables = _by_name(self.sh("dmsetup table --target multipath"))
        status = _by_name(self.sh("dmsetup status --noflush --target multipath"))
        found = {}
        for line in info.splitlines():
            if "|" not in line:  # "No devices found"
                continue
            name, uuid, suspended, events, loaded = line.split("|")
            size, table = tables.get(name, (0, ""))
            found[name] = DmMap(
                name=name, uuid=uuid, size=size, table=table, status=status.get(name, (0, ""))[1],
                suspended=suspended == "Suspended", loaded=loaded.strip(), event_number=int(events),
            )  # fmt: skip
        return found

    def loaded(self) -> dict[str, tuple[object, ...]]:
        """What changes of a map once a table is loaded, even the same one: udev is told of that, and writes its record
        anew."""
        self.sh("udevadm settle --timeout=300")
        records = dict(line.split() for line in self.sh(_RECORDS).splitlines())
        return {
            name: (each.table, each.event_number, each.uuid, records[name]) for name, each in self.maps().items()
        }  # fmt: skip

    def assert_settled(self) -> None:
        """No map is suspended, each has its table and no second one, every node is there."""
        self.sh("udevadm settle --timeout=300")
        for name, each in self.maps().items():
            assert (each.suspended, each.loaded) == (False, "Live"), self.describe()
            self.sh(f"test -b {shlex.quote('/dev/mapper/' + name)}")

    def cookies(self) -> list[str]:
        """The udev cookies that nobody has completed: a line each."""
        return self.sh("dmsetup udevcookies").splitlines()[1:]

    def describe(self) -> str:
        """All there is to know about device-mapper, for failures."""
        return self.run("dmsetup info -c; dmsetup table; dmsetup status --noflush; cat /etc/multipath.conf; lsblk").out

    # disks

    def disk_at(self, device: str) -> str:
        """The name of the disk with this number."""
        return self.sh(f"basename $(readlink /sys/dev/block/{device})").strip()

    def numbers(self) -> dict[tuple[int, int], str]:
        """The device numbers of the SCSI disks by host and LUN."""
        devices, addresses = {}, {}
        for line in self.sh("grep . /sys/block/sd*/dev; ls -d /sys/block/sd*/device/scsi_device/*").splitlines():
            disk = line.split("/")[3]
            if match := re.fullmatch(r".*/dev:(\d+:\d+)", line):
                devices[disk] = match[1]
            else:
                host, _, _, lun = line.rpartition("/")[2].split(":")
                addresses[int(host), int(lun)] = disk
        return {address: devices[disk] for address, disk in addresses.items()}

    def address_of(self, disk: str) -> tuple[int, int, int, int]:
        """Host, channel, target and LUN of a disk."""
        host, channel, target, lun = self.sh(f"basename $(readlink /sys/block/{disk}/device)").strip().split(":")
        return int(host), int(channel), int(target), int(lun)

    def set_state(self, disk: str, state: str) -> None:
        """Take a disk offline, or bring it back (`running`)."""
        self.sh(f"echo {state} > /sys/block/{disk}/device/state")

    def delete(self, disk: str) -> None:
        """Have the kernel forget a disk."""
        self.sh(f"echo 1 > /sys/block/{disk}/device/delete; udevadm settle --timeout=300; test ! -e /sys/block/{disk}")

    def scan(self, host: int, channel: int, target: int, lun: int) -> None:
        """Have the kernel find a disk, and wait until it and udev are done with it."""
        self.sh(f"echo {channel} {target} {lun} > /sys/class/scsi_host/host{host}/scan")
        self.machine.wait_until(f"ls /sys/bus/scsi/devices/{host}:{channel}:{target}:{lun}/block/sd*/size")
        self.sh("udevadm settle --timeout=300")


def requests_done(name: str) -> str:
    """Shell for how many requests a map has completed."""
    return f"$(awk '{{print $1 + $5}}' /sys/block/$(basename $(readlink /dev/mapper/{shlex.quote(name)}))/stat)"


def _by_name(text: str) -> dict[str, tuple[int, str]]:
    """`NAME: 0 SIZE multipath WORDS` lines: size and words by name."""
    found = {}
    for line in text.splitlines():
        if match := re.fullmatch(r"(.+): 0 (\d+) multipath (.*?) *", line):
            found[match[1]] = (int(match[2]), match[3])
    return found
