"""The prioritizer `emc`: whether a CLARiiON's or VNX's storage processor owns the unit, by VPD page 0xC0.

In: a path. Out: the unit's state at this processor (0 unbound, 1 bound, 2 owned), and 2 more at the processor that owns
it by default. It sends INQUIRY, nothing else.
"""

from observers.asking import Dialogue
from observers.kernel.scsi import inquiry_page
from observers.prioritizers.judging import Judgement, Unanswered, inquire
from observers.snapshot import Path

NAME = "emc"

_PAGE, _LENGTH = 0xC0, 128
_INITIATOR_TYPE, _CLARIION = 27, 0x03
_FAILOVER_MODE, _MODES = 28, (4, 6)
"""Failover mode 1 (passive not ready) and 4 (ALUA), as the page codes them in three bits."""
_OPTIONS, _ARRAY_COMM_PATH = 30, 0x04
_OPERATIONS = 48
_UNIT_STATE, _DEFAULT_OWNER, _PROCESSOR = 4, 5, 8
_OWNED_BY_DEFAULT = 2


def ask(_path: Path, _arguments: str, *, timeout: float) -> Dialogue[Judgement]:
    """See `Ask`."""
    page = yield from inquire(inquiry_page(_PAGE, length=_LENGTH), length=_LENGTH, timeout=timeout)
    if page[1] != _PAGE or page[9]:
        raise Unanswered("path unit report page in unknown format")
    configured = page[_INITIATOR_TYPE] == _CLARIION and page[_FAILOVER_MODE] & 7 in _MODES
    if not (configured and page[_OPTIONS] & _ARRAY_COMM_PATH):
        raise Unanswered("path not correctly configured for failover")
    if page[_OPERATIONS]:
        raise Unanswered("path not available for normal operations")
    by_default = page[_DEFAULT_OWNER] == page[_PROCESSOR]
    return Judgement(page[_UNIT_STATE] + (_OWNED_BY_DEFAULT if by_default else 0))
