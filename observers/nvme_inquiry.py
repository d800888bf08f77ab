"""What only an NVMe device itself can say: who it is now.

In: a path whose controller is live. Out: a dialogue that ends with the path and its answers. It sends Identify, nothing
else.
"""

from dataclasses import replace

from observers.asking import Dialogue
from observers.checkers import DEFAULT_TIMEOUT
from observers.errors import ProtocolError
from observers.identity_nvme import Answered, ask_identity, wwids_of
from observers.inquiry import Told
from observers.snapshot import Gap, Path

_WHAT = "NVMe identity"


def identify(path: Path) -> Dialogue[Told]:
    """The path with `nvme_identity`."""
    answered = yield from ask_identity(path, timeout=path.timeout or DEFAULT_TIMEOUT)
    path = replace(path, nvme_identity=answered.identity)
    refusals = () if _told(path, answered) else answered.refusals
    return Told(path, tuple(Gap(path.name, _WHAT, refusal) for refusal in refusals))


def _told(path: Path, answered: Answered) -> bool:
    """Whether the namespace said that it is who sysfs says; then a refusal on the way matters to nobody."""
    namespace = path.address.lun if path.address else 0
    try:
        return path.wwid_attribute in wwids_of(answered.identity, namespace=namespace)
    except ProtocolError:
        return False
