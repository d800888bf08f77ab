"""NVMe namespaces that never were, as paths of a snapshot."""

from observers.dmtable import DevT
from observers.snapshot import (
    Bus,
    DeviceName,
    Health,
    Hex,
    NvmeIdentity,
    Path,
    PathState,
    PrioritySeen,
    ScsiAddress,
)
from tests.builders import SIZE
from tests.observers import nvme_answers
from tests.observers.nvme_answers import EUI64, NGUID, UUID


def nvme_identity(
    *, uuid: str = UUID, nguid: str = NGUID, eui64: str = EUI64, ana: bool = True, model: str = "Linux"
) -> NvmeIdentity:
    """What a namespace answered that was asked for everything."""
    size = sum(4 + len(name) // 2 for name in (uuid, nguid, eui64) if name)
    return NvmeIdentity(
        descriptors=Hex(nvme_answers.descriptors(uuid=uuid, nguid=nguid, eui64=eui64)[:size].hex()),
        namespace=Hex(nvme_answers.namespace(nguid=nguid, eui64=eui64)[104:128].hex()),
        controller=Hex(nvme_answers.controller(ana=ana, model=model)[:80].hex()),
    )


def uuid_name(uuid: str) -> str:
    """The kernel's WWID of a namespace with this UUID."""
    return "uuid." + "-".join((uuid[:8], uuid[8:12], uuid[12:16], uuid[16:20], uuid[20:]))


def nvme_path(
    controller: int,
    *,
    uuid: str = UUID,
    namespace: int = 1,
    transport: str = "tcp",
    state: PathState = PathState.UP,
    priority: int | None = 50,
    ana: bool = True,
) -> Path:
    """A namespace through a controller, sure of its identity; `priority`: by its ANA group, where there are any."""
    name = DeviceName(f"nvme{controller}n{namespace}")
    wwid = uuid_name(uuid)
    sysfs = f"/sys/devices/virtual/nvme-fabrics/ctl/nvme{controller}/{name}"
    return Path(
        name=name,
        dev=DevT(f"259:{controller * 16 + namespace}"),
        size=SIZE,
        bus=Bus.NVME,
        protocol=f"nvme:{transport}",
        address=ScsiAddress(controller, controller + 1, namespace, namespace),
        vendor="NVME",
        product="Linux",
        revision="6.12.117",
        serial="LAB00000001",
        device_state="live" if state is PathState.UP else "connecting",
        health=Health("none" if state is PathState.UP else "sysfs", state),
        wwid_attribute=wwid,
        udev={"DEVNAME": f"/dev/{name}", "DEVTYPE": "disk", "ID_WWN": wwid},
        sysfs=sysfs,
        priority_seen=PrioritySeen(prioritizer="ana", value=priority) if ana else None,
        nvme_identity=nvme_identity(uuid=uuid, ana=ana),
    )
