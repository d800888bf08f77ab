"""Persistent reservations of SCSI: commands and answers, as far as this project needs them <-> values.

In: what to ask or to register, or the bytes that a device answered. Out: command blocks and parameters, or values. The
one command that changes something is REGISTER AND IGNORE EXISTING KEY; there is none here that reserves, releases or
preempts. The source is SPC-5, clauses 6.16 and 6.17. Pure; must never trust a length that a device says.
"""

import struct

from observers.kernel.scsi import Opcode, ScsiFormatError

ROOM = 8192
"""Bytes for an answer: 1,023 keys."""

_PERSISTENT_RESERVE_OUT = 0x5F
_READ_KEYS, _READ_RESERVATION = 0x00, 0x01
_REGISTER_AND_IGNORE_EXISTING_KEY = 0x06
_APTPL = 0x01  # of byte 20: activate persist through power loss

_PARAMETERS = struct.Struct(">QQ4xB3x")
PARAMETERS_SIZE = _PARAMETERS.size
"""24 bytes of a parameter list without transport identifiers."""

_HEADER = struct.Struct(">II")  # PRGENERATION, ADDITIONAL LENGTH
_KEY = struct.Struct(">Q")
LARGEST_KEY = 2**64 - 1

REGISTER = struct.pack(">BBBxxIB", _PERSISTENT_RESERVE_OUT, _REGISTER_AND_IGNORE_EXISTING_KEY, 0, PARAMETERS_SIZE, 0)
"""PERSISTENT RESERVE OUT with that service action, for `PARAMETERS_SIZE` bytes."""


def read_keys() -> bytes:
    """PERSISTENT RESERVE IN, READ KEYS."""
    return struct.pack(">BB5xHB", Opcode.PERSISTENT_RESERVE_IN, _READ_KEYS, ROOM, 0)


def read_reservation() -> bytes:
    """PERSISTENT RESERVE IN, READ RESERVATION."""
    return struct.pack(">BB5xHB", Opcode.PERSISTENT_RESERVE_IN, _READ_RESERVATION, ROOM, 0)


def parameters(key: int, *, aptpl: bool) -> bytes:
    """What goes with `REGISTER`: the service action reservation key. 0 takes the registration away."""
    return _PARAMETERS.pack(0, key, _APTPL if aptpl else 0)


def decode_parameters(data: bytes) -> tuple[int, bool]:
    """The key and whether it is to persist through power loss. `ScsiFormatError`: too short."""
    if len(data) < PARAMETERS_SIZE:
        raise ScsiFormatError(f"PERSISTENT RESERVE OUT has {len(data)} bytes of parameters, needs {PARAMETERS_SIZE}")
    _, key, flags = _PARAMETERS.unpack_from(data)
    return key, bool(flags & _APTPL)


def encode_keys(keys: tuple[int, ...], *, generation: int) -> bytes:
    """The answer to `read_keys`."""
    return _HEADER.pack(generation, _KEY.size * len(keys)) + b"".join(_KEY.pack(key) for key in keys)


def decode_keys(data: bytes) -> tuple[int, ...]:
    """All registered keys, one of several registrants more than once."""
    body = _body(data)
    return tuple(key for (key,) in _KEY.iter_unpack(body[: len(body) - len(body) % _KEY.size]))


def encode_holder(key: int | None, kind: int = 0, *, generation: int) -> bytes:
    """The answer to `read_reservation`; None: nobody holds one."""
    if key is None:
        return _HEADER.pack(generation, 0)
    return _HEADER.pack(generation, 16) + struct.pack(">Q5xB2x", key, kind)


def decode_holder(data: bytes) -> int | None:
    """The key under which a reservation is held (0: by all registrants); None: nobody holds one."""
    body = _body(data)
    return _KEY.unpack_from(body)[0] if len(body) >= _KEY.size else None


def _body(data: bytes) -> bytes:
    """What follows the header, as far as it is said to go and is there."""
    if len(data) < _HEADER.size:
        raise ScsiFormatError(f"PERSISTENT RESERVE IN answered {len(data)} bytes, not the {_HEADER.size} of its header")
    _, length = _HEADER.unpack_from(data)
    return data[_HEADER.size : _HEADER.size + length]
