"""`multipath -u DEVICE` and `multipath -c DEVICE`: udev's question whether a device is a multipath path.

In: the command line, udev's environment, and a host. Out: on standard output the properties that udev imports, an exit
status, and on standard error why (with `-v3`). `-u` is what udev's rules call: 0 whatever the answer, 1 when there is
none. `-c` is for people and scripts: 0 yes or maybe, 1 no. What is decided, `desired.validity` decides; the one thing
that is ever written is the record that udev waits for a second path.

As in multipath-tools 0.14.3, except that a device may also be named by a link or by its number, that a second path
counts only if it is not blacklisted itself, and that all messages go to standard error.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from actuators.records import begin_wait
from actuators.steps import Changed, Refused
from controller.cli.multipath_arguments import Invocation
from controller.cli.multipath_program import Subject
from desired.admission import Rules
from desired.config import Config, ConfigRefused
from desired.derive import config_in, identify, rules_in_force
from desired.model import ConfigMessage
from desired.observed import observe
from desired.validity import (
    NO_DISK,
    Answer,
    Case,
    Judgement,
    Reply,
    Validity,
    companions,
    identified,
    ignoring_the_file,
    is_path_valid,
    once_accompanied,
    once_released,
    once_taken,
    reply,
    second_path_wait,
)
from observers import claim, daemon, runtime_files
from observers.config_files import Places
from observers.errors import InputError, MpathError
from observers.host import ClaimHost
from observers.kernel.real_host import RealHost
from observers.reading import Reader
from observers.snapshot import DeviceName, Path, Snapshot, Usage

OK, FAIL = 0, 1
DEVICE_PATH = "DM_MULTIPATH_DEVICE_PATH"
SOCKET_NAME = "MULTIPATH_SOCKET_NAME"

_MESSAGES, _REASONS = 2, 3
"""Verbosities from which on messages about the configuration (of `-c`), and reasons, are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. `of_udev`: by `-u`. `ignore_file`: by `-i`, the wwids file shall not count. `device`: as it is
    written; empty: none is."""

    of_udev: bool
    device: str
    ignore_file: bool = False
    verbosity: int = 2


def run(subject: Subject) -> int:
    """Answer on this host the question that a command line asks: the exit status."""
    return answer(RealHost(), asked_by(subject.invocation), os.environ)


def asked_by(invocation: Invocation) -> Question:
    """The question that a command line asks."""
    return Question(
        of_udev=invocation.of_udev,
        device=invocation.device,
        ignore_file=invocation.ignore_wwids,
        verbosity=invocation.verbosity,
    )


def answer(host: ClaimHost, question: Question, environment: Mapping[str, str]) -> int:
    """Answer a question on a host: print, and return the exit status."""
    try:
        return _answer(_Asked(host, question, environment))
    except MpathError as error:
        sys.stderr.write(f"{error}\n" + (f"{error.hint}\n" if error.hint else ""))
        return FAIL


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question with all that it is answered from."""

    host: ClaimHost
    question: Question
    environment: Mapping[str, str]


def _answer(asked: _Asked) -> int:
    if asked.host.effective_user() != 0:
        raise InputError("need to be root")
    name = _device(asked.host, asked.question)
    snapshot = claim.observe(asked.host, name, Places(), socket=asked.environment.get(SOCKET_NAME))
    config = _configuration(asked, snapshot)
    if snapshot.paths:
        judged = _judged(asked, config, snapshot)
    else:
        judged = reply(NO_DISK, until=None, now=snapshot.taken_at)
    if asked.question.verbosity >= _REASONS:
        why = judged.judgement
        sys.stderr.write(f"{name}: {why.validity.value}: {why.reason} [{why.origin}]\n")
    sys.stdout.write(judged.text)
    sys.stdout.flush()
    return FAIL if judged.answer is Answer.NO and not asked.question.of_udev else OK


def _device(host: ClaimHost, question: Question) -> DeviceName:
    """The device that is meant. To `-c` a name without a directory is that of a map."""
    written = question.device
    name = claim.find(host, written.removeprefix("/dev/").replace("/", "!"))
    if written.startswith("/") and name is None:
        name = _by_link(host, written)
    if question.of_udev:
        if not written:
            raise InputError(_NOT_A_PATH)
        if name is None:
            raise InputError(f"{written}: there is no such block device")
        return name
    is_map = "/" not in written and ":" not in written
    if is_map or (name is not None and claim.is_mapped(name)):
        raise InputError(_NOT_A_PATH)
    if name is None:
        raise InputError(f"'{written}' is not a valid argument")
    return name


_NOT_A_PATH = "the -c option requires a path to check"


def _by_link(host: ClaimHost, written: str) -> DeviceName | None:
    """The device that a link under /dev leads to."""
    try:
        real = host.real_path(written)
    except OSError:
        return None
    return claim.find(host, real.removeprefix("/dev/").replace("/", "!"))


def _configuration(asked: _Asked, snapshot: Snapshot) -> Config:
    """The configuration. Without one that is whole there is no answer: a rule that is missed would claim too much."""
    unreadable = observe(snapshot).no_configuration
    if unreadable:
        raise InputError(f"the configuration could not be read: {unreadable}")
    level = _REASONS if asked.question.of_udev else _MESSAGES
    try:
        config = config_in(snapshot)
    except ConfigRefused as refused:
        _tell(refused.messages, asked, level)
        raise
    _tell(config.messages, asked, level)
    return config


def _tell(messages: Iterable[ConfigMessage], asked: _Asked, level: int) -> None:
    if asked.question.verbosity >= level:
        sys.stderr.write("".join(f"{message.text}\n" for message in messages if not message.ours))


def _judged(asked: _Asked, config: Config, snapshot: Snapshot) -> Reply:
    """The reply about the one device of a snapshot."""
    candidate = identified(config, snapshot, observe(snapshot), asked.environment if asked.question.of_udev else {})
    if candidate.wwid:
        snapshot = claim.with_map(asked.host, snapshot, candidate.wwid)
    case = Case(
        candidate=candidate,
        rules=_rules(asked, config, snapshot),
        usage=_usage(candidate.path),
        failed=frozenset(snapshot.failed_wwids),
        attended=_attended(asked, snapshot) if asked.question.of_udev else None,
    )
    judgement = once_released(is_path_valid(case), asked.environment.get(DEVICE_PATH, ""))
    if judgement.validity is Validity.MAYBE:
        return _on_closer_look(asked, _Doubt(config, snapshot, case, judgement))
    return reply(judgement, until=None, now=snapshot.taken_at)


def _attended(asked: _Asked, snapshot: Snapshot) -> bool:
    """Whether there is a daemon that would take the device, or will be when systemd is so far."""
    return snapshot.host.daemon_reachable or daemon.enabled(Reader(asked.host, "systemd"))


def _usage(path: Path) -> Usage:
    return path.usage or Usage()


def _rules(asked: _Asked, config: Config, snapshot: Snapshot) -> Rules:
    rules = rules_in_force(config, snapshot, observe(snapshot))
    if not asked.question.ignore_file:
        return rules
    return replace(rules, find_multipaths=ignoring_the_file(rules.find_multipaths))


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A device that may be a path, if a second one to its unit shows."""

    config: Config
    snapshot: Snapshot
    case: Case
    judgement: Judgement


def _on_closer_look(asked: _Asked, doubt: _Doubt) -> Reply:
    """Whether anybody has the device, or a second path is there already; else udev waits for one.

    The device is opened exclusively only here, where it was never let go: that could hinder others who want it.
    """
    host, path, now = asked.host, doubt.case.candidate.path, doubt.snapshot.taken_at
    try:
        host.open_exclusively(path.name)
    except OSError as error:
        taken = once_taken(claim.usage_now(host, path.name), error.strerror or str(error))
        return reply(taken, until=None, now=now)
    others = replace(doubt.snapshot, paths=claim.others(host, path.name))
    found = identify(doubt.config, others, observe(others))
    judgement = once_accompanied(doubt.judgement, companions(doubt.case.rules, doubt.case.candidate, found))
    until = doubt.case.usage.wait_until
    if until is None and judgement.validity is Validity.MAYBE:
        until = _begun_wait(host, path, now + second_path_wait(doubt.case.candidate.layers))
    return reply(judgement, until=until, now=now)


def _begun_wait(host: ClaimHost, path: Path, until: float) -> float | None:
    """The end of the wait that begins now, or that another process has just begun; None: it can't be recorded."""
    outcome = begin_wait(host, runtime_files.wait_file(path.dev), until)
    match outcome:
        case Changed():
            return until
        case Refused(_, message, _):
            sys.stderr.write(f"{message}\n")
            return None
        case _:
            return runtime_files.wait_until(Reader(host, path.name), host, path.dev)
