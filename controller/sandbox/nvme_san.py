"""The nouns of NVMe on paper: subsystems with their controllers and namespaces, as a scenario says they are at boot.

All values are frozen. They are what `nvme_words` reads and prints; what then lives and changes is in `nvme`. Sizes are
sectors of 512 bytes.
"""

from dataclasses import dataclass
from enum import StrEnum

from observers.kernel.nvme_data import ANA_STATE_TEXT


class NvmeTransport(StrEnum):
    """How a controller is reached; it shapes its place in sysfs."""

    TCP = "tcp"
    FC = "fc"
    RDMA = "rdma"
    LOOP = "loop"
    PCIE = "pcie"


class ControllerState(StrEnum):
    """A controller's states, as sysfs writes them; `gone`: it was removed, with its devices."""

    NEW = "new"
    LIVE = "live"
    RESETTING = "resetting"
    CONNECTING = "connecting"
    DELETING = "deleting"
    DEAD = "dead"
    GONE = "gone"


ANA_STATES = {text: state for state, text in ANA_STATE_TEXT.items()}
"""By the words of sysfs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NvmeController:
    """A controller: its number (`nvme0` is 0), and the states of ANA groups that are not optimized through it."""

    number: int
    transport: NvmeTransport
    address: str
    states: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NvmeNamespace:
    """A namespace. Names are hexadecimal digits, empty: it has none of that kind; `uuid` has its dashes."""

    id: int
    size: int
    uuid: str = ""
    nguid: str = ""
    eui64: str = ""
    group: int = 1
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NvmeSubsystem:
    """A subsystem, by its NVMe qualified name. `ana`: it reports asymmetric access."""

    name: str
    model: str = "Linux"
    serial: str = "0123456789abcdef"
    firmware: str = "6.12"
    ana: bool = True
    controllers: tuple[NvmeController, ...] = ()
    namespaces: tuple[NvmeNamespace, ...] = ()
