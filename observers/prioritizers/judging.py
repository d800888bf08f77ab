"""What the prioritizers that ask a device have in common: their answer, and the INQUIRY most of them send.

In: an answer of the device. Out: a `Judgement`, or `Unanswered`. Sends nothing by itself.
"""

from typing import NamedTuple, Protocol

from observers.asking import Dialogue, ScsiCommand, scsi
from observers.errors import MpathError
from observers.kernel.scsi import failure_text, succeeded
from observers.snapshot import Path


class Judgement(NamedTuple):
    """A priority (None: it can't be told), and what there is to say about it."""

    value: int | None
    message: str = ""


class Unanswered(MpathError):
    """The device gave no answer that a priority could be made of."""


class Ask(Protocol):
    """What a prioritizer does."""

    def __call__(self, path: Path, arguments: str, /, *, timeout: float) -> Dialogue[Judgement]:
        """Its dialogue with one path's device; `timeout` in seconds, for each command. It may raise `Unanswered` or
        `ProtocolError`, and lets an `OSError` pass."""


def inquire(cdb: bytes, *, length: int, timeout: float) -> Dialogue[bytes]:
    """The data of a command that succeeded, with zeros up to `length`, as far as the device sent less."""
    reply = yield from scsi(ScsiCommand(cdb=cdb, reply_length=length, timeout=timeout))
    if not succeeded(reply):
        raise Unanswered(f"sent {cdb.hex()}; {failure_text(reply)}")
    return reply.data[:length].ljust(length, b"\0")
