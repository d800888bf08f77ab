"""Questions to a device, without the asking: a checker or prioritizer is a generator that yields them and gets answers.

Theory of operation. What to ask next depends on the answer before, but who waits for it does not belong there: a
single command waits (`ask` here), a daemon with thousands of paths must not. So each dialogue with a device is written
once, as a generator of `Question` that returns its finding, and driven by whoever has it. A question that could not be
asked, or whose call was refused, is thrown into the generator as the kernel's `OSError`.

In: nothing but the answers. Out: questions, and in the end a finding. A dialogue must never call a host, read a clock,
or keep anything after its end.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

from observers.host import Block, ReadHost, ScsiReply
from observers.snapshot import DeviceName


@dataclass(frozen=True, slots=True, kw_only=True)
class ScsiCommand:
    """A command that reads (see `ReadHost.scsi_inquire`); `timeout` in seconds. Answered by a `ScsiReply`."""

    cdb: bytes
    reply_length: int
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectRead:
    """The first `length` bytes of the device, not from a cache (0: one logical block, at most 4,096 bytes).

    `timeout` in seconds. `offset`: from this byte on, a multiple of the logical block size. Answered by a `Block`.
    """

    length: int = 0
    timeout: float
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NvmeAdmin:
    """An NVMe admin command that reads: Identify (0x06) or Get Log Page (0x02), NVM Express base specification.

    `words`: command dwords 10 to 15. `timeout` in seconds. Answered by the `reply_length` bytes of data.
    """

    opcode: int
    namespace: int
    words: tuple[int, int, int, int, int, int]
    reply_length: int
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CcissReady:
    """TEST UNIT READY through the pass-through of the cciss driver; `timeout` in seconds. Answered by a bool."""

    timeout: float


MOST_TOGETHER = 16
"""Commands that can be out on one sg node (SG_MAX_QUEUE of drivers/scsi/sg.c)."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """Commands with what each was answered before: to be asked again, in order, until one is answered otherwise.

    One question for all that a check asks again and again, of `MOST_TOGETHER` at most. Answered by a `Repeated`.
    """

    asked: tuple[tuple[ScsiCommand, ScsiReply], ...]


@dataclass(frozen=True, slots=True)
class Repeated:
    """How many commands were answered as before. `other`: what the next one brought instead; None: there is none."""

    same: int
    other: ScsiReply | OSError | None = None


Single = ScsiCommand | DirectRead | NvmeAdmin | CcissReady
Question = Single | Repeat
Answer = ScsiReply | Block | bytes | bool | Repeated

F = TypeVar("F")
Dialogue = Generator[Question, Answer, F]
"""Yields questions, is sent the answer of each question's kind, returns a finding."""


def scsi(command: ScsiCommand) -> Dialogue[ScsiReply]:
    """`reply = yield from scsi(ScsiCommand(...))`: the answer with its type."""
    reply = yield command
    if not isinstance(reply, ScsiReply):
        raise TypeError(f"a SCSI command was answered by {type(reply).__name__}")
    return reply


def read(question: DirectRead) -> Dialogue[Block]:
    """Likewise for a read."""
    block = yield question
    if not isinstance(block, Block):
        raise TypeError(f"a read was answered by {type(block).__name__}")
    return block


def repeated(question: Repeat) -> Dialogue[Repeated]:
    """Likewise for commands that were answered before."""
    found = yield question
    if not isinstance(found, Repeated):
        raise TypeError(f"commands that were repeated were answered by {type(found).__name__}")
    return found


def nvme(command: NvmeAdmin) -> Dialogue[bytes]:
    """Likewise for an NVMe admin command."""
    data = yield command
    if not isinstance(data, bytes):
        raise TypeError(f"an NVMe command was answered by {type(data).__name__}")
    return data


def cciss(question: CcissReady) -> Dialogue[bool]:
    """Likewise for the cciss driver's pass-through."""
    ready = yield question
    if not isinstance(ready, bool):
        raise TypeError(f"a TEST UNIT READY was answered by {type(ready).__name__}")
    return ready


def again(repeat: Repeat) -> Dialogue[Repeated]:
    """The commands of a `Repeat` one by one, for who asks them so."""
    for place, (command, before) in enumerate(repeat.asked):
        try:
            reply = yield from scsi(command)
        except OSError as error:
            return Repeated(place, error)
        if reply != before:
            return Repeated(place, reply)
    return Repeated(len(repeat.asked))


def put(host: ReadHost, name: DeviceName, question: Question) -> Answer:
    """Ask a device one question and wait for the answer. `OSError`: the kernel refused."""
    match question:
        case ScsiCommand():
            return host.scsi_inquire(name, question.cdb, reply_length=question.reply_length, timeout=question.timeout)
        case DirectRead():
            return host.direct_read(name, length=question.length, timeout=question.timeout, offset=question.offset)
        case NvmeAdmin():
            return host.nvme_inquire(
                name, question.opcode, namespace=question.namespace, words=question.words,
                reply_length=question.reply_length, timeout=question.timeout,
            )  # fmt: skip
        case CcissReady():
            return host.cciss_ready(name, timeout=question.timeout)
        case Repeat():
            return ask(host, name, again(question))


def converse(dialogue: Dialogue[F], answer: Callable[[Question], Answer]) -> F:
    """Drive a dialogue to its end with `answer`, which may raise `OSError`."""
    try:
        question = next(dialogue)
        while True:
            try:
                reply = answer(question)
            except OSError as error:
                question = dialogue.throw(error)
            else:
                question = dialogue.send(reply)
    except StopIteration as end:
        finding: F = end.value
        return finding


def ask(host: ReadHost, name: DeviceName, dialogue: Dialogue[F]) -> F:
    """Drive a dialogue with a device to its end, waiting for each answer."""
    return converse(dialogue, lambda question: put(host, name, question))
