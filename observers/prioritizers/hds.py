"""The prioritizer `hds`: the controller of a Hitachi modular array whose number is odd or even like the unit's.

In: a path. Out: 1 when controller and LDEV are both odd or both even, 0 when not. It sends INQUIRY, nothing else.
"""

from observers.asking import Dialogue
from observers.kernel.scsi import inquiry
from observers.prioritizers.judging import Judgement, Unanswered, inquire
from observers.snapshot import Path

NAME = "hds"

_LENGTH = 255
_LDEV, _CONTROLLER = slice(44, 48), 49
"""Places in the vendor's part of the standard INQUIRY data: four hexadecimal digits, and one decimal one."""
_CONTROLLERS, _LDEVS = b"0123456789", b"0123456789ABCDEF"


def ask(_path: Path, _arguments: str, *, timeout: float) -> Dialogue[Judgement]:
    """See `Ask`."""
    data = yield from inquire(inquiry(length=_LENGTH), length=_LENGTH, timeout=timeout)
    controller, ldev = data[_CONTROLLER], data[_LDEV]
    if controller not in _CONTROLLERS or 0 in ldev or ldev[-1] not in _LDEVS:
        raise Unanswered(f"INQUIRY names no controller and LDEV: {chr(controller)!r}, {ldev.decode('latin-1')!r}")
    return Judgement(1 if int(chr(controller)) % 2 == int(chr(ldev[-1]), 16) % 2 else 0)
