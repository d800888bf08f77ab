"""Requests and replies as bytes: a length in the machine's own `size_t`, then the text and a NUL.

Pure. What is legal is the same for both daemons: a request is at most REQUEST_MAX bytes with its NUL, a reply shorter
than REPLY_MAX. The numbers are those of multipath-tools' mpath_cmd.h and uxsock.h.
"""

import sys

ABSTRACT_SOCKET = "@/org/kernel/linux/storage/multipathd"
PATH_SOCKET = "/run/multipathd.socket"
SOCKET_VARIABLE = "MULTIPATH_SOCKET_NAME"
"""The environment variable that names another socket; a leading @ stands for an abstract one."""

HEADER_SIZE = 8
REQUEST_MAX = 512
REPLY_MAX = 32 << 20

FAILED = "fail\n"
"""How a reply begins that says no; what follows says why, if anything does."""


def request(command: str) -> bytes:
    """A command as it is sent. `ValueError`: it is longer than a daemon reads."""
    body = command.encode("utf-8", "surrogateescape") + b"\0"
    if len(body) > REQUEST_MAX:
        raise ValueError(f"a command of {len(body)} bytes, of which the daemon takes {REQUEST_MAX}")
    return len(body).to_bytes(HEADER_SIZE, sys.byteorder) + body


def reply_length(header: bytes | bytearray) -> int | None:
    """How many bytes follow a reply's header; None when it can't be true."""
    length = int.from_bytes(header, sys.byteorder)
    return length if 0 < length < REPLY_MAX else None


def reply(body: bytes | bytearray) -> str:
    """The text of a reply: up to its first NUL. Bytes that are no UTF-8 survive as surrogates."""
    end = body.find(b"\0")  # where there is none, the last byte stands in its place
    return str(memoryview(body)[:end], "utf-8", "surrogateescape")


def address(name: str) -> str:
    """A socket's name as the kernel takes it: the @ of an abstract one is a NUL there."""
    return "\0" + name[1:] if name.startswith("@") else name
