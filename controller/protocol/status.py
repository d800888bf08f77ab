"""What is said of the daemon, the configuration and the host as a whole.

In: a `State`, rows. Out: replies. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from controller.protocol import foreign
from controller.protocol.rows import PathRow
from controller.protocol.state import DaemonLine, OtherDevice, State
from desired.admission import Blacklist
from desired.conf.printer import Present, print_config
from desired.config import Config, Rule, RuleKind
from desired.model import OriginKind
from desired.precedence import DeviceKind
from observers.snapshot import DeviceName, PathState, dev_key


def daemon(line: DaemonLine) -> str:
    """The reply to `show daemon`."""
    return f"pid {line.pid} {line.state}{' (pending reconfigure)' if line.reconfigures else ''}\n"


def status(state: State, paths: Sequence[PathRow]) -> str:
    """The reply to `show status`: how many paths are in which state, and whether uevents wait.

    A path in no map counts as one that was never checked, as multipathd forgets what it found.
    """
    counts = Counter(row.state if row.map is not None else PathState.UNCHECKED for row in paths)
    states = "".join(f"{each:<20}{counts[each]}\n" for each in PathState if counts[each])
    monitored = sum(row.map is not None for row in paths)
    return f"path checker states:\n{states}\npaths: {monitored}\nbusy: {state.daemon.busy}\n"


def age(state: State) -> str:
    """The reply to `list age`: how old in seconds is what all other replies are made of, and which cycle's it is."""
    return f"age {max(0.0, state.now - state.observed_at):.3f}\ncycle {state.daemon.cycles}\n"


def config(state: State) -> str:
    """The reply to `show config`."""
    return print_config(state.config, nr_open=state.nr_open)


def config_local(state: State, paths: Iterable[PathRow]) -> str:
    """The reply to `show config local`: of the devices and multipaths only those that this host has."""
    kinds = [
        DeviceKind(path.vendor, path.product, path.revision, path.protocol, path.bus)
        for path in (row.path for row in paths)
        if path is not None
    ]
    present = Present(kinds=kinds, maps={live.wwid: live.name for live in state.snapshot.maps})
    return print_config(state.config, nr_open=state.nr_open, present=present)


_RULES = (
    ("device node", RuleKind.DEVNODE),
    ("udev property", RuleKind.PROPERTY),
    ("protocol", RuleKind.PROTOCOL),
    ("wwid", RuleKind.WWID),
    ("device", RuleKind.DEVICE),
)
_CONFIGURED = frozenset({OriginKind.BLACKLIST, OriginKind.EXCEPTIONS, OriginKind.DEVICES})
_INDENT = " " * 8
_UNSET = "(null)"

MONITORED = " devnode whitelisted, monitored"


def blacklist(config: Config) -> str:
    """The reply to `show blacklist`."""
    return "".join(
        f"{title} rules:\n- blacklist:\n{_of_kind(config.blacklist, kind)}"
        f"- exceptions:\n{_of_kind(config.exceptions, kind)}"
        for title, kind in _RULES
    )


def _of_kind(rules: Iterable[Rule], kind: RuleKind) -> str:
    return "".join(_rule(rule) for rule in rules if rule.kind is kind) or f"{_INDENT}<empty>\n"


def _rule(rule: Rule) -> str:
    origin = "(config file rule)" if rule.origin.kind in _CONFIGURED else "(default rule)    "
    return f"{_INDENT}{origin} {_expressions(rule)}\n"


def _expressions(rule: Rule) -> str:
    if rule.kind is not RuleKind.DEVICE:
        return rule.text
    return ":".join(part.text if part is not None else _UNSET for part in (rule.vendor, rule.product))


def devices(state: State, paths: Sequence[PathRow]) -> str:
    """The reply to `show devices`: all block devices, and whether they are paths. A path has one blank more."""
    known = {row.path.name for row in paths if row.path is not None}
    rules = Blacklist(state.config)
    once: dict[DeviceName, OtherDevice] = {}
    for each in _block_devices(state):
        once.setdefault(each.name, each)
    lines = (
        f"    {each.name} {MONITORED if each.name in known else _unmonitored(each, rules)}\n" for each in once.values()
    )
    return "available block devices:\n" + "".join(lines)


def _block_devices(state: State) -> Iterator[OtherDevice]:
    """Everything, in about the order of sysfs: disks, then what is virtual.

    Maps of the kernel's own are foreign only where they are shown at all; the disks below them are hidden.
    """
    shown = foreign.shown(state.snapshot, state.config)
    for path in sorted(state.snapshot.paths, key=lambda path: path.sysfs):
        yield OtherDevice(path.name)
    numbers = [each.dev for each in state.snapshot.maps] + [each.dev for each in state.snapshot.other_devices]
    for _, minor in sorted(map(dev_key, numbers)):
        yield OtherDevice(DeviceName(f"dm-{minor}"))
    for each in state.snapshot.foreign_maps:
        yield from (OtherDevice(path.name, hidden=True) for path in each.paths)
        yield OtherDevice(each.name, foreign=each in shown)
    yield from state.others


def _unmonitored(device: OtherDevice, rules: Blacklist) -> str:
    if device.hidden:
        return "hidden, unmonitored"
    if device.foreign:
        return "foreign, monitored"
    listed = rules.text(RuleKind.DEVNODE, device.name).outcome.blocks
    return f"devnode {'blacklisted' if listed else 'whitelisted'}, unmonitored"
