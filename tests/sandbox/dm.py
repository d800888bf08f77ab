"""Device-mapper calls for these tests: short, through the raw buffers of a `SandboxHost`, as actuators make them."""

from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import parse_scenario
from observers.dmtable import DevT
from observers.kernel.dm_ioctl import (
    NO_FLAGS,
    Command,
    Flag,
    Header,
    Target,
    encode_dev,
    pack,
    pack_message,
    pack_targets,
    pack_text,
    unpack,
    unpack_targets,
)

ROOM = 16384

SAN = """
array one
    vendor LIO-ORG
    product RAMDISK-MCP
    revision 4.0
    node naa.6001405000000001
    tpgs both
    group 16 active/optimized p0 p1
    group 17 active/non-optimized p2 p3
    lun 0 size 64M naa 60014051ab0000000004000800000000 serial 1ab00000
    lun 1 size 64M naa 60014051ab0000100004000800000000 serial 1ab00001
adapter 0 pseudo h0
    sees one p0
adapter 1 pseudo h1
    sees one p1
adapter 2 pseudo h2
    sees one p2
adapter 3 pseudo h3
    sees one p3
"""
"""sda sdc sde sdg are LUN 0, sdb sdd sdf sdh LUN 1, each over four ports; the first two are optimized."""

PLAIN = """
array plain
    vendor PLAIN
    product DISK
    revision 1
    node n
    group 0 active/optimized p0
    lun 0-3 size 64M naa 500000000000000{n} serial s{n}
adapter 0 pseudo h0
    sees plain p0
adapter 1 pseudo h1
    sees plain p0
"""
"""sda and sde are LUN 0, sdb and sdf LUN 1, and so on, without ALUA."""

SIZE = 131072
UUID = "mpath-360014051ab0000000004000800000000"


def san(text: str = SAN, more: str = "") -> SandboxHost:
    """A host with that SAN."""
    return SandboxHost(parse_scenario(text + more, file="test.san"))


def call(
    host: SandboxHost,
    command: Command,
    *,
    name: str = "",
    uuid: str = "",
    dev: str = "",
    flags: Flag = NO_FLAGS,
    payload: bytes = b"",
    count: int = 0,
    cookie: int = 0,
    size: int = ROOM,
) -> tuple[Header, bytes]:
    """Any ioctl."""
    number = encode_dev(DevT(dev)) if dev else 0
    header = Header(name=name, uuid=uuid, dev=number, flags=flags, target_count=count, event_nr=cookie)
    return unpack(host.dm_change(command, pack(header, payload, size=size)))


def create(host: SandboxHost, name: str = "m", uuid: str = "test-m") -> Header:
    """A device without a table."""
    return call(host, Command.DM_DEV_CREATE, name=name, uuid=uuid)[0]


def load(
    host: SandboxHost,
    params: str,
    *,
    name: str = "m",
    size: int = SIZE,
    kind: str = "multipath",
    flags: Flag = NO_FLAGS,
) -> Header:
    """A table of one target into the inactive slot."""
    payload = pack_targets([Target(0, size, kind, params)], reply=False)
    return call(host, Command.DM_TABLE_LOAD, name=name, payload=payload, count=1, flags=flags)[0]


def resume(host: SandboxHost, name: str = "m", *, flags: Flag = NO_FLAGS, cookie: int = 0) -> Header:
    """Make the inactive table live, if there is one, and go on."""
    return call(host, Command.DM_DEV_SUSPEND, name=name, flags=flags, cookie=cookie)[0]


def suspend(host: SandboxHost, name: str = "m", *, flags: Flag = NO_FLAGS) -> Header:
    """Suspend."""
    return call(host, Command.DM_DEV_SUSPEND, name=name, flags=flags | Flag.DM_SUSPEND_FLAG)[0]


def start(host: SandboxHost, params: str, *, name: str = "m", uuid: str = "test-m", size: int = SIZE) -> None:
    """A new device that runs."""
    create(host, name, uuid)
    load(host, params, name=name, size=size)
    resume(host, name)


def message(host: SandboxHost, text: str, *, name: str = "m", sector: int = 0) -> Header:
    """A message to the target."""
    return call(host, Command.DM_TARGET_MSG, name=name, payload=pack_message(text, sector=sector))[0]


def rename(host: SandboxHost, new: str, *, name: str = "m", flags: Flag = NO_FLAGS) -> Header:
    """Another name, or (with the flag) a UUID."""
    return call(host, Command.DM_DEV_RENAME, name=name, payload=pack_text(new), flags=flags)[0]


def remove(host: SandboxHost, name: str = "m", *, flags: Flag = NO_FLAGS, cookie: int = 0) -> Header:
    """Remove a device."""
    return call(host, Command.DM_DEV_REMOVE, name=name, flags=flags, cookie=cookie)[0]


def info(host: SandboxHost, name: str = "m") -> Header:
    """Its state."""
    return call(host, Command.DM_DEV_STATUS, name=name)[0]


def targets(host: SandboxHost, name: str = "m", *, flags: Flag = NO_FLAGS) -> tuple[Target, ...]:
    """What DM_TABLE_STATUS says."""
    header, payload = call(host, Command.DM_TABLE_STATUS, name=name, flags=flags)
    return unpack_targets(payload, header.target_count, reply=True)


def table(host: SandboxHost, name: str = "m", *, flags: Flag = NO_FLAGS) -> str:
    """The text of the one target's table."""
    (target,) = targets(host, name, flags=flags | Flag.DM_STATUS_TABLE_FLAG)
    return target.params


def status(host: SandboxHost, name: str = "m") -> str:
    """The text of the one target's status."""
    (target,) = targets(host, name)
    return target.params
