"""Bytes as NVMe controllers answer Identify and Get Log Page, laid out by the NVM Express base specification."""

import struct
from collections.abc import Iterable

NGUID = "6b1d00000000400080000000000000a1"
EUI64 = "0025385b71b0aa01"
UUID = "6b1d0000000040008000000000000001"


def controller(
    *, ana: bool = True, constant: bool = True, groups: int = 2, namespaces: int = 8, model: str = "Linux"
) -> bytes:
    """The data of Identify Controller."""
    data = bytearray(4096)
    data[0:2] = (0x1B36).to_bytes(2, "little")
    data[4:24] = b"LAB00000001".ljust(20)
    data[24:64] = model.encode().ljust(40)
    data[76] = 0x08 if ana else 0
    data[343] = 0x40 if constant else 0
    data[348:352] = groups.to_bytes(4, "little")
    data[540:544] = namespaces.to_bytes(4, "little")
    return bytes(data)


def namespace(*, group: int = 1, nguid: str = NGUID, eui64: str = EUI64) -> bytes:
    """The data of Identify Namespace."""
    data = bytearray(4096)
    data[0:8] = (131072).to_bytes(8, "little")
    data[92:96] = group.to_bytes(4, "little")
    data[104:120] = bytes.fromhex(nguid).ljust(16, b"\0")
    data[120:128] = bytes.fromhex(eui64).ljust(8, b"\0")
    return bytes(data)


def descriptors(*, uuid: str = UUID, nguid: str = NGUID, eui64: str = EUI64) -> bytes:
    """The namespace identification descriptor list."""
    named = ((1, eui64), (2, nguid), (3, uuid))
    data = b"".join(bytes([kind, len(name) // 2, 0, 0]) + bytes.fromhex(name) for kind, name in named if name)
    return data.ljust(4096, b"\0")


def ana_log(groups: Iterable[tuple[int, int, tuple[int, ...]]]) -> bytes:
    """The ANA log: each group's number, state and namespaces."""
    listed = list(groups)
    data = struct.pack("<QH6x", 7, len(listed))
    for group, state, namespaces in listed:
        data += struct.pack("<IIQB15x", group, len(namespaces), 7, state)
        data += struct.pack(f"<{len(namespaces)}I", *namespaces)
    return data
