"""Steps, tables and status lines that the tests of this folder share."""

from actuators.cookie import UdevSync, cookie_bases
from actuators.steps import (
    CancelRemoval,
    CreateMap,
    FailPath,
    MapRef,
    Ownership,
    ReinstatePath,
    ReloadMap,
    RemoveMap,
    RenameMap,
    SetQueueing,
    SwitchGroup,
    UdevFlags,
)
from observers.dmtable import DevT, Sectors
from observers.snapshot import Alias, DeviceName, DmUuid

UUID = DmUuid("mpath-36001405aabbccddeeff0011223344556")
MAP = MapRef(UUID, Alias("mpatha"))
FLAGS = UdevFlags.DISABLE_LIBRARY_FALLBACK
EVENT_FLAGS = int(FLAGS | UdevFlags.PRIMARY_SOURCE)

TWO_PATHS = "0 1 alua 1 1 service-time 0 2 1 8:0 1 8:16 1"
ONE_PATH = "0 1 alua 1 1 service-time 0 1 1 8:0 1"
TWO_PATHS_SHOWN = "0 1 alua 1 1 service-time 0 2 2 8:0 1 1 8:16 1 1 "
ONE_PATH_SHOWN = "0 1 alua 1 1 service-time 0 1 2 8:0 1 1 "
QUEUEING_SHOWN = "1 queue_if_no_path 1 alua 1 1 service-time 0 1 2 8:0 1 1 "
TWO_GROUPS_STATUS = "2 0 0 0 2 1 A 0 1 2 8:0 A 0 0 1 E 0 1 2 8:16 F 1 0 1 "
"""Group 1 is in use; path 8:0 works, 8:16 has failed."""

CREATE = CreateMap(map=MAP, size=Sectors(2048), table=TWO_PATHS, read_only=False, ownership=Ownership(), udev=FLAGS)
RELOAD = ReloadMap(
    map=MAP, size=Sectors(2048), table=TWO_PATHS, read_only=False, flush=False, expected=ONE_PATH_SHOWN, udev=FLAGS
)
RENAME = RenameMap(map=MAP, new_name=Alias("oracle"), udev=FLAGS)
REMOVE = RemoveMap(map=MAP, udev=FLAGS)
KEEP = CancelRemoval(map=MAP)
SWITCH = SwitchGroup(map=MAP, group=2)
FAIL = FailPath(map=MAP, dev=DevT("8:0"), name=DeviceName("sda"))
REINSTATE = ReinstatePath(map=MAP, dev=DevT("8:16"), name=DeviceName("sdb"))
QUEUE = SetQueueing(map=MAP, queue=True)
DO_NOT_QUEUE = SetQueueing(map=MAP, queue=False)


def sync(*, running: bool = True, seed: int = 6, timeout: float = 10.0) -> UdevSync:
    """Wait for udev with cookies from base `seed + 1` on."""
    return UdevSync(running=running, bases=cookie_bases(seed), timeout=timeout)
