"""The prioritizer `ontap`: what kind of port of a NetApp filer in 7-Mode a path leads to.

In: a path. Out: 4 a port of the unit's own filer (also when that is not known), 3 iSCSI by an adapter, 2 iSCSI by
software, 1 the partner's port, which hands commands on. It sends INQUIRY and the filer's GET VENDOR ATTRIBUTES.
"""

from observers.asking import Dialogue
from observers.kernel.scsi import inquiry_page
from observers.kernel.vendor_commands import ONTAP_ATTRIBUTES, ONTAP_REPLY_LENGTH
from observers.prioritizers.judging import Judgement, Unanswered, inquire
from observers.snapshot import Path

NAME = "ontap"

_DIRECT, _ISCSI_ADAPTER, _ISCSI_SOFTWARE, _PROXY = 4, 3, 2, 1

_FORMAT = bytes.fromhex("0a980a01")
"""NetApp, and the version of the answer, from byte 4 on."""
_PAGE, _NAME = 8, 12
_WITHOUT_PAGE = 8
"""The length of an answer that holds no page."""
_BY_NAME = ((b"ism_sw", _ISCSI_SOFTWARE), (b"iswt", _ISCSI_SOFTWARE), (b"ism_sn", _ISCSI_ADAPTER))

_PROXY_PAGE, _PROXY_LENGTH = 0xC1, 128
_PROXY_FORMAT = bytes.fromhex("0a980a00c100")
"""From byte 8 on."""
_PROXY_FLAGS, _IS_PROXY = 19, 0x02


def ask(_path: Path, _arguments: str, *, timeout: float) -> Dialogue[Judgement]:
    """See `Ask`."""
    data = yield from inquire(ONTAP_ATTRIBUTES, length=ONTAP_REPLY_LENGTH, timeout=timeout)
    if data[4:8] != _FORMAT:
        raise Unanswered(f"the filer's attributes are of an unknown form: {data[4:8].hex()}")
    if int.from_bytes(data[:4], "big") > _WITHOUT_PAGE and data[_PAGE] == ONTAP_ATTRIBUTES[6]:
        for name, value in _BY_NAME:
            if data[_NAME:].startswith(name):
                return Judgement(value)
    return (yield from _fibre_channel(timeout=timeout))


def _fibre_channel(*, timeout: float) -> Dialogue[Judgement]:
    """A filer that can't say is taken for a direct one."""
    cdb = inquiry_page(_PROXY_PAGE, length=_PROXY_LENGTH)
    try:
        page = yield from inquire(cdb, length=_PROXY_LENGTH, timeout=timeout)
    except (OSError, Unanswered) as error:
        return Judgement(_DIRECT, f"whether it is a proxy is not known: {error}")
    if page[1] != _PROXY_PAGE or page[8:14] != _PROXY_FORMAT:
        return Judgement(_DIRECT, "proxy information page in unknown format")
    return Judgement(_PROXY if page[_PROXY_FLAGS] & _IS_PROXY else _DIRECT)
