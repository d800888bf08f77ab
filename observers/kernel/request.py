"""ioctl request numbers, as asm-generic/ioctl.h makes them.

In: the driver's letter, the command, and the size of the struct. Out: the number. Pure. A few architectures that no
multipath host runs on (MIPS, PowerPC, SPARC among them) have other bits for the direction of a call that only reads.
"""

_READ, _WRITE = 2, 1
_DIRECTION_SHIFT, _SIZE_SHIFT, _TYPE_SHIFT = 30, 16, 8


def reads(kind: int, command: int, size: int) -> int:
    """`_IOR(kind, command, size)`: the kernel only fills the struct."""
    return _READ << _DIRECTION_SHIFT | size << _SIZE_SHIFT | kind << _TYPE_SHIFT | command


def reads_and_writes(kind: int, command: int, size: int) -> int:
    """`_IOWR(kind, command, size)`: the kernel reads the struct and fills it."""
    return (_READ | _WRITE) << _DIRECTION_SHIFT | size << _SIZE_SHIFT | kind << _TYPE_SHIFT | command


def plain(kind: int, command: int) -> int:
    """`_IO(kind, command)`: there is no struct."""
    return kind << _TYPE_SHIFT | command
