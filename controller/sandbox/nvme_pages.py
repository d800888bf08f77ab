"""What an NVMe controller answers, as bytes: Identify data, the list of descriptors, the ANA log.

In: plain values. Out: bytes as the NVM Express base specification lays them out. Pure; it decides nothing about
whether a controller answers at all.
"""

import struct
from collections.abc import Iterable

from controller.sandbox.nvme_san import NvmeNamespace, NvmeSubsystem

VENDOR = 0x1B36
"""PCI vendor id."""

_SIZE = 4096
_ANA = 0x08
_CONSTANT_GROUPS = 0x40
_SHARED = 0x01
_EUI64, _NGUID, _UUID = 1, 2, 3


def identify_controller(subsystem: NvmeSubsystem, *, controller: int, groups: int) -> bytes:
    """Identify Controller; `controller`: its identifier (CNTLID); `groups`: the highest number of an ANA group."""
    data = bytearray(_SIZE)
    struct.pack_into("<HH20s40s8s", data, 0, VENDOR, VENDOR, *_padded(subsystem))
    data[76] = 0x02 | (_ANA if subsystem.ana else 0)
    struct.pack_into("<H", data, 78, controller)
    if subsystem.ana:
        data[343] = _CONSTANT_GROUPS | 0x1F
        struct.pack_into("<II", data, 344, groups, groups)
    struct.pack_into("<I", data, 516, len(subsystem.namespaces))
    struct.pack_into("<I", data, 540, len(subsystem.namespaces))
    return bytes(data)


def _padded(subsystem: NvmeSubsystem) -> tuple[bytes, bytes, bytes]:
    texts = ((subsystem.serial, 20), (subsystem.model, 40), (subsystem.firmware, 8))
    serial, model, firmware = (text.encode("ascii")[:size].ljust(size) for text, size in texts)
    return serial, model, firmware


def identify_namespace(namespace: NvmeNamespace | None) -> bytes:
    """Identify Namespace; all zero where there is none."""
    data = bytearray(_SIZE)
    if namespace is not None:
        struct.pack_into("<QQQ", data, 0, namespace.size, namespace.size, namespace.size)
        data[30] = _SHARED
        struct.pack_into("<I", data, 92, namespace.group)
        data[104:120] = bytes.fromhex(namespace.nguid).ljust(16, b"\0")
        data[120:128] = bytes.fromhex(namespace.eui64).ljust(8, b"\0")
        data[130] = 9  # the logical block format: 2^9 bytes
    return bytes(data)


def descriptors(namespace: NvmeNamespace | None) -> bytes:
    """The namespace identification descriptor list."""
    names = ((_EUI64, namespace.eui64), (_NGUID, namespace.nguid), (_UUID, namespace.uuid)) if namespace else ()
    found = ((kind, bytes.fromhex(name.replace("-", ""))) for kind, name in names if name)
    return b"".join(struct.pack("<BBxx", kind, len(name)) + name for kind, name in found).ljust(_SIZE, b"\0")


def ana_log(groups: Iterable[tuple[int, int, tuple[int, ...]]], *, changes: int, groups_only: bool) -> bytes:
    """The ANA log: of each group its number, its state, and its namespaces; `changes`: how often it changed."""
    found = list(groups)
    data = struct.pack("<QH6x", changes, len(found))
    for group, state, members in found:
        listed = () if groups_only else members
        data += struct.pack(f"<IIQB15x{len(listed)}I", group, len(listed), changes, state, *listed)
    return data
