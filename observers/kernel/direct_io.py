"""Reading a block device past every cache: the request for its block size, and how many bytes to read at once.

In: what the kernel answered, or nothing. Out: numbers. The sources are linux/fs.h and asm-generic/ioctl.h. Pure.
"""

import struct

from observers.kernel.request import reads

_BLOCK_SIZE = struct.Struct("@i")
_SIZE_IN_REQUEST = struct.calcsize("@N")  # the header says size_t, though the kernel stores an int

BLKBSZGET = reads(0x12, 112, _SIZE_IN_REQUEST)
"""The ioctl request for the block size of a device, in bytes."""

BLOCK_SIZE_ROOM = _SIZE_IN_REQUEST

LARGEST_BLOCK = 4096
"""Bytes; also what is read where the block size is larger (a DASD's can be wrong), or not known."""


def block_size(answer: bytes) -> int:
    """How many bytes are one block, from the answer to `BLKBSZGET`; between 1 and `LARGEST_BLOCK`."""
    said: int = _BLOCK_SIZE.unpack_from(answer)[0]
    return said if 0 < said <= LARGEST_BLOCK else LARGEST_BLOCK
