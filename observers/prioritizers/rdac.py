"""The prioritizer `rdac`: whether an Engenio or E-Series controller owns the volume, by VPD page 0xC9.

In: a path. Out: the sum of 8 in I/O shipping mode, 4 for a preferred and 1 for a secondary path, and 2 at the volume's
owner. It sends INQUIRY, nothing else.
"""

from observers.asking import Dialogue
from observers.kernel.scsi import inquiry_page
from observers.prioritizers.judging import Judgement, Unanswered, inquire
from observers.snapshot import Path

NAME = "rdac"

_PAGE, _LENGTH = 0xC9, 128
_SIGNATURE = b"\x2cvac"
"""The page's length and name, from byte 3 on."""
_ACCESS, _OWNER, _IO_SHIPPING = 8, 0x01, 0x20
_PREFERENCE = 9
_BY_PREFERENCE = {1: 4, 2: 1}


def ask(_path: Path, _arguments: str, *, timeout: float) -> Dialogue[Judgement]:
    """See `Ask`."""
    page = yield from inquire(inquiry_page(_PAGE, length=_LENGTH), length=_LENGTH, timeout=timeout)
    if page[1] != _PAGE or page[3:7] != _SIGNATURE:
        raise Unanswered("volume access control page in unknown format")
    value = 2 if page[_ACCESS] & _OWNER else 0
    value += _BY_PREFERENCE.get(page[_PREFERENCE] & 0xF, 0)
    return Judgement(value + (8 if page[_ACCESS] & _IO_SHIPPING else 0))
