"""A `Scenario` as the text that `scenario` reads: parsing it gives the same value again.

In: a scenario. Out: text. Pure. What has its default is left out, and every logical unit has a line of its own.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from controller.sandbox import nvme_words, page_words
from controller.sandbox.san import Adapter, Array, Group, HostSpec, Lun, MapSpec, MdSpec, Scenario, Tpgs

_INDENT = "    "
_TPGS = {Tpgs.NONE: "none", Tpgs.IMPLICIT: "implicit", Tpgs.EXPLICIT: "explicit", Tpgs.BOTH: "both"}


def format_scenario(scenario: Scenario) -> str:
    """The text of a scenario."""
    sections = [
        list(_host(scenario.host)),
        *(list(_array(array)) for array in scenario.arrays),
        *(list(_adapter(adapter)) for adapter in scenario.adapters),
        *(list(_map(spec)) for spec in scenario.maps),
        *(list(_md(spec)) for spec in scenario.md),
        *(list(nvme_words.printed(subsystem, _word)) for subsystem in scenario.nvme),
        *(
            [f"file {_word(file.path)} <<{_end(file.text)}", *file.text.splitlines(), _end(file.text)]
            for file in scenario.files
        ),
        [f"at {_seconds(event.at)} {' '.join([event.verb, *map(_word, event.args)])}" for event in scenario.events],
    ]
    return "\n".join("\n".join(section) + "\n" for section in sections if section)


def _word(text: str) -> str:
    return text if text and not any(char.isspace() for char in text) and not text.startswith("#") else f'"{text}"'


def _words(line: str) -> str:
    return " ".join(map(_word, line.split()))


def _seconds(time: float) -> str:
    """All digits that the number has, without an exponent."""
    return f"{Decimal(repr(time)):f}".removesuffix(".0") + "s"


def _end(text: str) -> str:
    """A word that ends a here-block, as it is no line of it."""
    end = "END"
    while end in text.splitlines():
        end += "-"
    return end


def _host(host: HostSpec) -> Iterator[str]:
    default = HostSpec()
    rows = {
        "release": (host.release, default.release),
        "time": (_instant(host.time), _instant(default.time)),
        "user": (str(host.user), str(default.user)),
        "udev": (_on(value=host.udev), _on(value=default.udev)),
        "udev-delay": (_seconds(host.udev_delay), _seconds(default.udev_delay)),
        "device-mapper": (_on(value=host.device_mapper), _on(value=default.device_mapper)),
        "nvme-multipath": (_on(value=host.native_nvme), _on(value=default.native_nvme)),
    }
    lines = [f"{_INDENT}{keyword} {_word(value)}" for keyword, (value, usual) in rows.items() if value != usual]
    yield from ["host", *lines] if lines else []


def _instant(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).replace(tzinfo=None).isoformat()


def _on(*, value: bool) -> str:
    return "on" if value else "off"


def _array(array: Array) -> Iterator[str]:
    yield f"array {array.name}"
    for keyword in ("vendor", "product", "revision", "node"):
        yield f"{_INDENT}{keyword} {_word(getattr(array, keyword))}"
    if array.tpgs is not Tpgs.NONE:
        yield f"{_INDENT}tpgs {_TPGS[array.tpgs]}"
    if array.handler:
        yield f"{_INDENT}handler {array.handler}"
    for group in array.groups:
        yield f"{_INDENT}{_group(group)}"
    for lun in array.luns:
        yield f"{_INDENT}{_lun(lun)}"
    for page in array.pages:
        yield f"{_INDENT}{page_words.printed(page)}"


def _group(group: Group) -> str:
    preferred = ["preferred"] if group.preferred else []
    return " ".join(["group", str(group.id), group.state, *preferred, *map(_word, group.ports)])


def _lun(lun: Lun) -> str:
    words = ["lun", str(lun.number), "size", f"{lun.size}s", *(["naa", lun.naa] if lun.naa else [])]
    words += ["serial", _word(lun.serial)]
    words += ["owner", str(lun.owner)] if lun.owner is not None else []
    return " ".join([*words, *(["read-only"] if lun.read_only else [])])


def _adapter(adapter: Adapter) -> Iterator[str]:
    yield f"adapter {adapter.host} {adapter.transport} {_word(adapter.port)}"
    for ref in adapter.sees:
        yield f"{_INDENT}sees {ref.array} {_word(ref.port)}"


def _map(spec: MapSpec) -> Iterator[str]:
    yield f"map {_word(spec.name)} {_word(spec.uuid)}"
    yield from (f"{_INDENT}table {_words(line)}" for line in spec.table)
    yield from (f"{_INDENT}inactive {_words(line)}" for line in spec.inactive)
    flags = {"suspended": spec.suspended, "read-only": spec.read_only}
    yield from (f"{_INDENT}{keyword}" for keyword, is_set in flags.items() if is_set)
    if spec.opened:
        yield f"{_INDENT}opened {spec.opened}"


def _md(spec: MdSpec) -> Iterator[str]:
    yield f"md {spec.name}"
    default = MdSpec(name=spec.name)
    for keyword in ("metadata", "uuid", "disks"):
        if getattr(spec, keyword) != getattr(default, keyword):
            yield f"{_INDENT}{keyword} {getattr(spec, keyword)}"
    if spec.members:
        yield f"{_INDENT}members {' '.join(spec.members)}"
