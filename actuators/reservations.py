"""Steps on the registrations of persistent reservations: a path that comes back is to be known by its map's key again.

In: a host and a step. Out: an `Outcome`. The device is held open meanwhile, so that its name can't become another's.
Whoever fences this host off takes its registrations away, so a path is registered only while the key still is with the
unit, and what was registered while that happened is taken back. Must never reserve, release or preempt.
"""

import errno
from collections.abc import Callable

from actuators.steps import Changed, Lost, Outcome, Refused, Registered, RegisterKey, Unregistered
from observers.errors import KernelRefused
from observers.host import Host, ScsiReply
from observers.kernel import reservation
from observers.kernel.scsi import ScsiFormatError, SenseKey, Status, decode_sense, failure_text, succeeded

PATIENCE = 5.0
"""Seconds for an answer; whoever asks is a worker, and only the map waits for it."""

ATTENTIONS = 6
"""How many times a unit attention is taken for an answer to something else."""

_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO})


class _NotDone(Exception):
    """A command failed. `unknown`: because the device does not know it."""

    def __init__(self, reply: ScsiReply, what: str) -> None:
        self.unknown = _sense_key(reply) == SenseKey.ILLEGAL_REQUEST
        super().__init__(f"{what}: {failure_text(reply)}")


def register_key(host: Host, step: RegisterKey) -> Outcome:
    """Register a path, or take its registration away."""
    try:
        held = host.hold_device(step.name)
    except OSError as error:
        return _refused(error, step)
    try:
        if held.dev != step.dev:
            return Lost(f"{step.name} is now device {held.dev}, not {step.dev}")
        return _register(host, step) if step.key else _clear(host, step)
    except OSError as error:
        return _refused(error, step)
    except (_NotDone, ScsiFormatError) as error:
        return Refused(errno.EIO, str(error), "see `mpathpersist --in --read-keys`")
    finally:
        host.release_device(held)


def _register(host: Host, step: RegisterKey) -> Outcome:
    try:
        before = _registrations(host, step)
    except _NotDone as error:
        if not error.unknown:
            raise
        return Unregistered(f"{step.name} knows no persistent reservations")
    if not before:
        return _without(host, step, f"the key {step.key:#x} is not registered any more", cleared=step.clear)
    held = _holds(host, step) if step.ask_holder else None
    if 0 < step.enough <= before:
        return Registered(note="its key was registered already", held=held)
    _put(host, step, step.key)
    if _registrations(host, step) < before:
        return _without(host, step, f"the key {step.key:#x} was taken away meanwhile", cleared=True)
    return Registered(held=held)


def _without(host: Host, step: RegisterKey, why: str, *, cleared: bool) -> Outcome:
    if cleared:
        _put(host, step, 0)
    return Unregistered(why)


def _clear(host: Host, step: RegisterKey) -> Outcome:
    _put(host, step, 0)
    return Changed()


def _registrations(host: Host, step: RegisterKey) -> int:
    """How often the key is registered; one that it takes the place of counts like it."""
    keys = reservation.decode_keys(_asked(host, step, reservation.read_keys(), "READ KEYS"))
    wanted = {step.key, step.former} - {0}
    return sum(key in wanted for key in keys)


def _holds(host: Host, step: RegisterKey) -> bool:
    holder = reservation.decode_holder(_asked(host, step, reservation.read_reservation(), "READ RESERVATION"))
    return holder == step.key


def _asked(host: Host, step: RegisterKey, cdb: bytes, what: str) -> bytes:
    def send() -> ScsiReply:
        return host.scsi_inquire(step.name, cdb, reply_length=reservation.ROOM, timeout=PATIENCE)

    return _sent(send, what).data


def _put(host: Host, step: RegisterKey, key: int) -> None:
    parameters = reservation.parameters(key, aptpl=step.aptpl and key != 0)
    _sent(lambda: host.scsi_register(step.name, parameters, timeout=PATIENCE), "REGISTER AND IGNORE EXISTING KEY")


def _sent(send: Callable[[], ScsiReply], what: str) -> ScsiReply:
    """The answer, after those that are about something else."""
    reply = send()
    for _ in range(ATTENTIONS):
        if _sense_key(reply) != SenseKey.UNIT_ATTENTION:
            break
        reply = send()
    if not succeeded(reply):
        raise _NotDone(reply, what)
    return reply


def _sense_key(reply: ScsiReply) -> int | None:
    sense = decode_sense(reply.sense) if reply.status == Status.CHECK_CONDITION else None
    return sense.key if sense is not None else None


def _refused(error: OSError, step: RegisterKey) -> Outcome:
    number = error.errno or errno.EIO
    if number in _GONE:
        return Lost(f"{step.name} ({step.dev}) is gone or offline")
    return Refused(number, str(KernelRefused(number, sent=f"persistent reservation command to {step.name}")))
