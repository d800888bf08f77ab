"""The parameters of a multipath target as dm-multipath's constructor reads them, rule by rule.

In: the text of a table line, and how to get a device. Out: `Spec`, or `OSError` with the constructor's errno. It is on
purpose not `observers.dmtable.parse_table`: that one reads what a kernel printed, this one refuses what a kernel
refuses. Facts: drivers/md/dm-mpath.c of Linux 6.1, `multipath_ctr` and what it calls.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field

from controller.sandbox.block import BlockDevice
from controller.sandbox.errors import refusal
from controller.sandbox.selectors import SelectorType, Texts, find_selector, unsigned

MAX_FEATURE_WORDS, MAX_WORDS = 8, 1024
MAX_RETRIES, MAX_DELAY = 50, 60000
HANDLERS = ("alua", "rdac", "emc", "hp_sw")


@dataclass(slots=True, eq=False)
class PathSpec:
    """A path: its device and what its selector's arguments print."""

    device: BlockDevice
    texts: Texts


@dataclass(slots=True, eq=False)
class GroupSpec:
    """A priority group."""

    selector: str
    type: SelectorType
    texts: Texts
    paths: list[PathSpec] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Spec:
    """A whole target as it was loaded; `initial` may be beyond the last group, and then names none."""

    queue_if_no_path: bool = False
    retain_handler: bool = False
    retries: int = 0
    delay: int | None = None
    bio_based: bool = False
    handler: str = ""
    initial: int = 0
    groups: list[GroupSpec] = field(default_factory=list)


class _Words:
    def __init__(self, text: str) -> None:
        self.left = text.split()

    def shift(self, what: str) -> str:
        if not self.left:
            raise refusal(errno.EINVAL, f"not enough arguments: {what}")
        return self.left.pop(0)

    def number(self, what: str, *, low: int, high: int) -> int:
        value = unsigned(self.shift(what))
        if not low <= value <= high:
            raise refusal(errno.EINVAL, f"{what} must be between {low} and {high}")
        return value

    def group(self, what: str, *, high: int) -> list[str]:
        count = self.number(what, low=0, high=high)
        if len(self.left) < count:
            raise refusal(errno.EINVAL, f"not enough arguments: {what}")
        taken, self.left = self.left[:count], self.left[count:]
        return taken


def parse(text: str, take: Callable[[str], BlockDevice]) -> Spec:
    """The target of a table line; `take` gets a device by its number."""
    words, spec = _Words(text), Spec()
    _features(words, spec)
    _handler(words, spec)
    count = words.number("number of priority groups", low=0, high=MAX_WORDS)
    spec.initial = words.number("initial priority group number", low=0, high=MAX_WORDS)
    if bool(count) != bool(spec.initial):
        raise refusal(errno.EINVAL, "invalid initial priority group")
    while words.left:
        spec.groups.append(_group(words, spec, take))
    if len(spec.groups) != count:
        raise refusal(errno.EINVAL, "priority group count mismatch")
    return spec


def _features(words: _Words, spec: Spec) -> None:
    features = _Words("")
    features.left = words.group("number of feature args", high=MAX_FEATURE_WORDS)
    while features.left:
        name = features.shift("feature").lower()
        match name:
            case "queue_if_no_path":
                spec.queue_if_no_path = True
            case "retain_attached_hw_handler":
                spec.retain_handler = True
            case "pg_init_retries" if features.left:
                spec.retries = features.number(name, low=1, high=MAX_RETRIES)
            case "pg_init_delay_msecs" if features.left:
                spec.delay = features.number(name, low=0, high=MAX_DELAY)
            case "queue_mode" if features.left:
                spec.bio_based = _queue_mode(features.shift(name))
            case _:
                raise refusal(errno.EINVAL, f"unrecognised multipath feature request {name!r}")
    if spec.bio_based:
        spec.retain_handler = True


def _queue_mode(name: str) -> bool:
    modes = {"bio": True, "rq": False, "mq": False}
    if name.lower() not in modes:
        raise refusal(errno.EINVAL, f"unknown 'queue_mode' requested: {name!r}")
    return modes[name.lower()]


def _handler(words: _Words, spec: Spec) -> None:
    args = words.group("number of hardware handler args", high=MAX_WORDS)
    if args and not spec.bio_based:
        spec.handler = args[0]


def _group(words: _Words, spec: Spec, take: Callable[[str], BlockDevice]) -> GroupSpec:
    if len(words.left) < 2:
        raise refusal(errno.EINVAL, "not enough priority group arguments")
    name = words.shift("path selector")
    kind = find_selector(name)
    group = GroupSpec(name, kind, kind.create(words.group("number of path selector args", high=MAX_WORDS)))
    count = words.number("number of paths", low=1, high=MAX_WORDS)
    per_path = words.number("number of selector args", low=0, high=MAX_WORDS)
    for _ in range(count):
        if len(words.left) < 1 + per_path:
            raise refusal(errno.EINVAL, "not enough path parameters")
        device = take(words.shift("device"))
        _attach(device, spec)
        args, words.left = words.left[:per_path], words.left[per_path:]
        group.paths.append(PathSpec(device, kind.path(args)))
    return group


def _attach(device: BlockDevice, spec: Spec) -> None:
    """The device handler of a path: one that is attached already wins over the table, and the table then says so."""
    if device.handler and (spec.retain_handler or (spec.handler and _known(spec.handler) != device.handler)):
        spec.handler = device.handler
    elif spec.handler and not device.handler:
        device.attach_handler(_known(spec.handler))


def _known(name: str) -> str:
    if name not in HANDLERS:
        raise refusal(errno.EINVAL, f"error attaching hardware handler {name!r}")
    return name
