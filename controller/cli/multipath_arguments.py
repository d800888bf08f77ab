"""The command line of `multipath`: which of its jobs is wanted, on which device, and how.

In: the arguments, and what there is under a device's name. Out: an `Invocation`, or `Misused` with what to print. Pure;
the same letters as in multipath-tools 0.14.3, where the last job that is named counts.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

from controller.client.options import BadOption, parse

LETTERS = "adDcChl::eFfM:v:p:b:BrR:itTquUwW"
VERSION = "multipath-tools v0.14.3 (02/05, 2026)\n"
"""What this program is compatible with. Scripts look for the number in the usage text."""

POLICIES = ("failover", "multibus", "group_by_serial", "group_by_prio", "group_by_node_name", "group_by_tpg")
_NUMBER = re.compile(r"[ \t-\r]*([+-]?[0-9]{1,9})")


class Job(Enum):
    """What `multipath` can be asked to do."""

    CREATE = auto()
    DRY_RUN = auto()
    LIST = auto()
    LIST_ALL = auto()
    FLUSH = auto()
    FLUSH_ALL = auto()
    ADD_WWID = auto()
    REMOVE_WWID = auto()
    RESET_WWIDS = auto()
    IS_PATH = auto()
    HAS_PATHS = auto()
    PRINT_CONFIG = auto()
    PRINT_CONFIG_LOCAL = auto()
    HELP = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """A command line. `device`: as it is written; empty: none. `of_udev`: asked by `-u` or `-U`. `retries`: of a
    removal, -R; None: as it is configured. `policy`: -p, empty: none is forced. `all_foreign`: also those maps of the
    kernel's own that the configuration leaves out."""

    job: Job = Job.CREATE
    device: str = ""
    of_udev: bool = False
    verbosity: int = 2
    force_reload: bool = False
    never_delegate: bool = False
    ignore_wwids: bool = False
    bindings_read_only: bool = False
    allow_queueing: bool = False
    all_foreign: bool = False
    policy: str = ""
    retries: int | None = None


class Misused(Exception):
    """A command line that can't be understood: `message` for standard error, or (`said`) for standard output."""

    def __init__(self, message: str, *, said: str = "") -> None:
        super().__init__(message)
        self.message, self.said = message, said


_JOBS = {
    "c": Job.IS_PATH, "u": Job.IS_PATH, "C": Job.HAS_PATHS, "U": Job.HAS_PATHS, "f": Job.FLUSH, "F": Job.FLUSH_ALL,
    "T": Job.PRINT_CONFIG_LOCAL, "w": Job.REMOVE_WWID, "W": Job.RESET_WWIDS, "a": Job.ADD_WWID,
}  # fmt: skip
_FLAGS: Mapping[str, str] = {
    "r": "force_reload", "D": "never_delegate", "i": "ignore_wwids", "B": "bindings_read_only", "q": "allow_queueing",
    "e": "all_foreign",
}  # fmt: skip
_AT_ONCE = {"t": Job.PRINT_CONFIG, "h": Job.HELP}
"""Jobs that are done when their letter is met, whatever follows."""


def read(arguments: Sequence[str]) -> Invocation:
    """The invocation that a command line is."""
    try:
        options, words = parse(arguments, LETTERS)
    except BadOption as error:
        reason = "Missing option argument" if error.lacks_argument else f"Unknown switch: {error.letter}"
        raise Misused(f"{reason}\n{usage()}") from error
    found = Invocation(device=words[0] if words else "")
    for letter, value in options:
        if letter in _AT_ONCE:
            return replace(found, job=_AT_ONCE[letter])
        found = _with(found, letter, value or "")
    return found


def _with(found: Invocation, letter: str, value: str) -> Invocation:
    """The invocation with one option more."""
    if letter in _JOBS:
        return replace(found, job=_JOBS[letter], of_udev=found.of_udev or letter in "uU")
    if letter in _FLAGS:
        changes: dict[str, Any] = {_FLAGS[letter]: True}
        return replace(found, **changes)
    match letter:
        case "l":
            return replace(found, job=Job.LIST_ALL if value.startswith("l") else Job.LIST)
        case "d" if found.job is Job.CREATE:
            return replace(found, job=Job.DRY_RUN)
        case "v":
            return replace(found, verbosity=_level(value))
        case "R":
            number = _NUMBER.match(value)
            return replace(found, retries=max(0, int(number[1])) if number else 0)
        case "p":
            return replace(found, policy=_policy(value))
        case _:  # -M and -b mean nothing here, and -d nothing beside another job
            return found


def _level(value: str) -> int:
    digits = re.match("[0-9]{1,9}", value)
    if digits is None:
        raise Misused(usage())
    return int(digits[0])


def _policy(value: str) -> str:
    """As multipath-tools compares it: what stands behind a policy's name does not count."""
    for policy in POLICIES:
        if value.startswith(policy):
            return policy
    raise Misused(usage(), said=f"'{value}' is not a valid policy\n")


class Kind(Enum):
    """What a device is named by."""

    DISK = auto()
    """A node of a block device that is not device-mapper's."""
    NUMBER = auto()
    """`MAJOR:MINOR`."""
    MAP = auto()
    """A node of a device-mapper device, or any name: of a map, an alias, a WWID."""


_MAJOR_MINOR = re.compile(r"\d+:\d+")
_LONGEST_NAME = 127


def kind_of(device: str, *, node: str | None) -> Kind | None:
    """How a device is named. `node`: the kernel's name of the block device whose node that path is; None: it is none.

    None: the text can't name a device at all.
    """
    if node is not None:
        return Kind.MAP if node.startswith("dm-") else Kind.DISK
    if _MAJOR_MINOR.match(device):
        return Kind.NUMBER
    return Kind.MAP if device and "/" not in device and len(device) <= _LONGEST_NAME else None


OPTIONS = (
    ("-h", "this text"),
    ("-l [device]", "show maps, groups and paths, from sysfs and device-mapper"),
    ("-ll [device]", "the same, and check the paths"),
    ("-d [device]", "dry run: tell what would be done"),
    ("-r [device]", "reload maps that need no change, too"),
    ("-f device", "remove a map that nobody uses"),
    ("-F", "remove all such maps"),
    ("-R number", "with -f and -F: how often to try again, a second apart"),
    ("-a device", "add a device's WWID to the wwids file"),
    ("-w device", "take a device's WWID out of the wwids file"),
    ("-W", "reset the wwids file to the maps that there are"),
    ("-c device", "is the device a path of a map, or should it be? (exit status)"),
    ("-C device", "has the map a path that can be used? (exit status)"),
    ("-u device", "-c for udev: properties on standard output"),
    ("-U device", "-C for udev"),
    ("-i", "do as if every WWID were in the wwids file"),
    ("-q", "leave maps queueing though no daemon runs"),
    ("-D", "never let the daemon do it"),
    ("-B", "give no map a new name in the bindings file"),
    ("-p policy", "group paths by " + ", ".join(POLICIES)),
    ("-t", "print the configuration"),
    ("-T", "print what of the configuration concerns this host"),
    ("-v level", "0: silent, 1: names of maps, 2: as usual, 3: and why, 4: everything"),
    ("-e", "with -l and -ll: also the maps that the kernel makes itself"),
    ("-b file, -M x", "accepted, and without effect"),
)


def usage() -> str:
    """The usage text."""
    rows = "".join(f"  {options:18} {meaning}\n" for options, meaning in OPTIONS)
    return (
        f"{VERSION}Usage: multipath [options] [device]\n\n{rows}\n"
        "  device: a map's name, WWID or node, or a path's node (/dev/sda) or number (8:0)\n"
    )
