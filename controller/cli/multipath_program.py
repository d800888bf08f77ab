"""`multipath`: what its command line asks for is found out here, given to the daemon where that is safer, or done.

In: the arguments. Out: an exit status, 0 or 1. A change that a running daemon would not know of is left to the daemon,
as in multipath-tools: `-r` is its `reconfigure all`, `-f` its `del map`, `-F` its `del maps`. Everything else is done
in this process, by the module that `JOBS` names for it; none of them is loaded before it is known to be needed.
"""

import os
import stat
import sys
import time
from dataclasses import dataclass
from importlib import import_module

from controller.cli.multipath_arguments import Invocation, Job, Kind, Misused, kind_of, read, usage
from controller.client import patience, wire
from controller.client.channel import Channel, socket_names
from controller.client.errors import ClientError, NotConnected

OK, FAIL = 0, 1

JOBS = {
    Job.PRINT_CONFIG: "controller.cli.multipath_config",
    Job.PRINT_CONFIG_LOCAL: "controller.cli.multipath_config",
    Job.IS_PATH: "controller.cli.udev_question",
    Job.HAS_PATHS: "controller.cli.multipath_usable",
    Job.ADD_WWID: "controller.cli.multipath_wwids",
    Job.REMOVE_WWID: "controller.cli.multipath_wwids",
    Job.RESET_WWIDS: "controller.cli.multipath_wwids",
    Job.FLUSH: "controller.cli.multipath_flush",
    Job.FLUSH_ALL: "controller.cli.multipath_flush",
    Job.LIST: "controller.cli.multipath_list",
    Job.LIST_ALL: "controller.cli.multipath_list",
    Job.CREATE: "controller.cli.multipath_create",
    Job.DRY_RUN: "controller.cli.multipath_create",
}
"""The module of each job: its `run(subject)` returns the exit status."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An invocation with the device that it is about. `kind`: None, there is none. `node`: the kernel's name of the
    device whose node was given; empty: none was."""

    invocation: Invocation
    kind: Kind | None = None
    node: str = ""

    @property
    def device(self) -> str:
        """The device as it was written, without the directory of its node."""
        return self.invocation.device.removeprefix("/dev/")

    def say(self, level: int, text: str) -> None:
        """A line on standard error, if the verbosity asks for it, with the time before it: scripts tell by that what
        belongs to the output and what does not."""
        if self.invocation.verbosity >= level:
            sys.stderr.write(f"{time.strftime('%b %d %H:%M:%S')} | {text}\n")


def main(arguments: list[str]) -> int:
    """The program."""
    try:
        invocation = read(arguments)
    except Misused as error:
        sys.stdout.write(error.said)
        sys.stderr.write(error.message)
        return FAIL
    if invocation.job is Job.HELP:
        sys.stderr.write(usage())
        return OK
    if invocation.job is Job.PRINT_CONFIG:
        return _start(Subject(invocation))
    if os.geteuid() != 0:
        sys.stderr.write("need to be root\n")
        return FAIL
    return _as_root(invocation)


def _as_root(invocation: Invocation) -> int:
    node = node_of(invocation.device)
    kind = kind_of(invocation.device, node=node) if invocation.device else None
    subject = Subject(invocation, kind, node or "")
    trouble = _trouble(subject)
    if trouble:
        subject.say(0, trouble)
        return FAIL
    delegated = _delegated(subject)
    return _start(subject) if delegated is None else delegated


def node_of(device: str) -> str | None:
    """The kernel's name of the block device whose node (or a link to it) a path is; None: it is none."""
    try:
        found = os.stat(device)
        if not stat.S_ISBLK(found.st_mode):
            return None
        number = f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"
        return os.path.basename(os.path.realpath(f"/sys/dev/block/{number}", strict=True))
    except (OSError, ValueError):
        return None


_NEEDED = {
    Job.REMOVE_WWID: "the -w option requires a device",
    Job.ADD_WWID: "the -a option requires a device",
    Job.HAS_PATHS: "the -C option requires a map to check",
    Job.FLUSH: "the -f option requires a map name to remove",
}
"""What is said when a job lacks its device."""


def _trouble(subject: Subject) -> str:
    """Why an invocation can't be followed; empty: it can."""
    if subject.invocation.job is Job.IS_PATH:
        return ""  # udev's question reads its device itself
    if subject.invocation.device and subject.kind is None:
        return f"'{subject.invocation.device}' is not a valid argument"
    lacking = subject.kind is None or (subject.invocation.job is Job.FLUSH and subject.kind is not Kind.MAP)
    return _NEEDED.get(subject.invocation.job, "") if lacking else ""


def _start(subject: Subject) -> int:
    status: int = import_module(JOBS[subject.invocation.job]).run(subject)
    return status


# ---- leaving it to the daemon


def command_for(subject: Subject) -> str:
    """The daemon's command for an invocation; empty: it has none."""
    invocation = subject.invocation
    if invocation.never_delegate:
        return ""
    match invocation.job:
        case Job.CREATE if invocation.force_reload:
            return "reconfigure all"
        case Job.FLUSH:
            name = invocation.device
            return f'del map "{name}"' if any(sign in name for sign in " #!{}") else f"del map {name}"
        case Job.FLUSH_ALL:
            return "del maps"
        case _:
            return ""


_TRY_AGAIN_AFTER = 1.0  # seconds


def _delegated(subject: Subject) -> int | None:
    """The exit status of what the daemon did; None: nobody did it yet."""
    command, retries = command_for(subject), subject.invocation.retries
    if command and retries is None:
        retries = patience.configured_retries()
    while command:
        try:
            reply = _reply(command)
        except NotConnected:
            return None
        except ClientError as error:
            subject.say(1, f"error in multipath command {command}: {error}")
            return FAIL
        if reply == f"{wire.FAILED}timeout\n":
            return None
        failed = reply.startswith(wire.FAILED)
        if not failed or not retries:
            if reply != "ok\n":
                sys.stdout.write(reply.removeprefix(wire.FAILED) or reply)
            return FAIL if failed else OK
        retries -= 1
        time.sleep(_TRY_AGAIN_AFTER)
    return None


def _reply(command: str) -> str:
    channel = Channel(socket_names(os.environ), timeout=patience.configured())
    try:
        return channel.ask(command)
    finally:
        channel.close()
