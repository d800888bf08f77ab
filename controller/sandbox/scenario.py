"""Scenario files: a SAN, its host, and what happens to them, as short readable text -> `Scenario`.

In: the text of a scenario, or the name of a shipped one. Out: a `Scenario`, or `ConfigError` with file, line and
column. Every line begins with a keyword; the keywords below a section belong to it until the next one begins, and
arrays come before what names them. This module reads real files: it is the edge. `scenarios/small.san` explains the
language.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources
from typing import NoReturn, TypeVar

from controller.sandbox import nvme_words
from controller.sandbox.event_words import Names, read_event
from controller.sandbox.events import seconds, sectors
from controller.sandbox.nvme_san import NvmeSubsystem
from controller.sandbox.page_words import read_page
from controller.sandbox.san import (
    AccessState,
    Adapter,
    Array,
    FileSpec,
    Group,
    Lun,
    MapSpec,
    MdSpec,
    PortRef,
    Scenario,
    Tpgs,
    Transport,
)
from controller.sandbox.words import Line, Text
from observers.errors import InputError
from observers.kernel.md_superblock import VERSIONS

T = TypeVar("T")

SUFFIX = ".san"
TPGS = {"none": Tpgs.NONE, "implicit": Tpgs.IMPLICIT, "explicit": Tpgs.EXPLICIT, "both": Tpgs.BOTH}
HANDLERS = ("rdac", "emc", "hp_sw")
_HERE = "<<"
_COUNTED = re.compile(r"\{(n+)\}")
_MD_NAME = re.compile(r"md\d{1,3}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAA = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}")


def load_scenario(name_or_path: str) -> Scenario:
    """A shipped scenario by its name, or one from a file (a name with a `/` or a `.`)."""
    if "/" in name_or_path or "." in name_or_path:
        try:
            with open(name_or_path, encoding="utf-8") as stream:
                return parse_scenario(stream.read(), file=name_or_path)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{name_or_path}: can't be read as a scenario: {error}") from error
    shipped = resources.files(__package__) / "scenarios" / f"{name_or_path}{SUFFIX}"
    if not shipped.is_file():
        known = ", ".join(shipped_scenarios())
        raise InputError(
            f"no scenario is called {name_or_path!r}", hint=f"there are: {known}; or give a file: ./NAME{SUFFIX}"
        )
    return parse_scenario(shipped.read_text(encoding="utf-8"), file=f"{name_or_path}{SUFFIX}")


def shipped_scenarios() -> tuple[str, ...]:
    """The names of the scenarios that come with the program."""
    files = (resources.files(__package__) / "scenarios").iterdir()
    return tuple(sorted(file.name.removesuffix(SUFFIX) for file in files if file.name.endswith(SUFFIX)))


def parse_scenario(text: str, *, file: str) -> Scenario:
    """The scenario of a text; `file` is its name in errors, and, without directory and suffix, the scenario's."""
    reader = _Reader(Text(file, text), file.rpartition("/")[2].removesuffix(SUFFIX))
    return reader.read()


class _Reader:
    """Reads line after line; `_below` are the keywords that the section now open takes."""

    def __init__(self, text: Text, name: str) -> None:
        self._text = text
        self._scenario = Scenario(name=name)
        self._below: Mapping[str, Callable[[Line], None]] = {}
        self._section = ""
        self._names = Names()
        self._close: Callable[[], None] = _nothing

    def read(self) -> Scenario:
        for line in self._text:
            self._line(line)
        self._close()
        return self._scenario

    def _line(self, line: Line) -> None:
        keyword = line.take("keyword")
        if keyword in self._below:
            self._below[keyword](line)
        elif keyword in self._sections:
            self._close()
            self._below, self._section, self._close = {}, keyword, _nothing
            self._sections[keyword](line)
        else:
            raise self._unknown(line, keyword)
        line.end()

    def _unknown(self, line: Line, keyword: str) -> Exception:
        known = ", ".join((*self._below, *self._sections))
        place = f" in this {self._section} section" if self._below else ""
        return line.error(f"{keyword!r} is not a keyword{place}", hint=f"possible here: {known}")

    @property
    def _sections(self) -> Mapping[str, Callable[[Line], None]]:
        return {
            "host": self._host_section,
            "array": self._array_section,
            "adapter": self._adapter_section,
            "map": self._map_section,
            "md": self._md_section,
            "nvme": self._nvme_section,
            "file": self._file_section,
            "now": self._now,
            "at": self._at,
        }

    # ---- host

    def _host_section(self, _line: Line) -> None:
        def set_host(**values: object) -> None:
            self._scenario = replace(self._scenario, host=replace(self._scenario.host, **values))  # type: ignore[arg-type]

        self._below = {
            "release": lambda line: set_host(release=line.take("a kernel release")),
            "time": lambda line: set_host(time=line.take_as("a time such as 2025-01-01T00:00:00", _instant)),
            "user": lambda line: set_host(user=line.number("a user id")),
            "udev": lambda line: set_host(udev=_on(line)),
            "udev-delay": lambda line: set_host(udev_delay=line.take_as("a time such as 3s", seconds)),
            "device-mapper": lambda line: set_host(device_mapper=_on(line)),
            "nvme-multipath": lambda line: set_host(native_nvme=_on(line)),
        }

    # ---- arrays

    def _array_section(self, line: Line) -> None:
        name = line.take("the array's name")
        if any(array.name == name for array in self._scenario.arrays) or not name.replace("-", "").isalnum():
            raise line.error(f"{name!r} is not a new array's name", hint="letters, digits and -, and only once")
        draft = Array(name=name, vendor="", product="", revision="", node="", groups=(), luns=())

        def change(**values: object) -> None:
            nonlocal draft
            draft = replace(draft, **values)  # type: ignore[arg-type]

        def text(keyword: str, longest: int) -> Callable[[Line], None]:
            return lambda line: change(**{keyword: line.take_as(f"text of at most {longest} signs", _ascii(longest))})

        def finish() -> None:
            self._finished_array(line, draft)

        self._close = finish
        self._below = {
            "vendor": text("vendor", 8),
            "product": text("product", 16),
            "revision": text("revision", 4),
            "node": lambda line: change(node=line.take("a node name")),
            "tpgs": lambda line: change(tpgs=line.take_as(f"one of {', '.join(TPGS)}", _named(TPGS))),
            "handler": lambda line: change(handler=line.take_as("a handler", _one_of(HANDLERS))),
            "group": lambda line: change(groups=(*draft.groups, _group(line, draft))),
            "lun": lambda line: change(luns=(*draft.luns, *_luns(line, draft))),
            "page": lambda line: change(pages=(*draft.pages, read_page(line, draft))),
        }

    def _finished_array(self, line: Line, array: Array) -> None:
        missing = [name for name in ("vendor", "product", "revision", "node") if not getattr(array, name)]
        missing += [name for name, values in (("group", array.groups), ("lun", array.luns)) if not values]
        if missing:
            raise line.error(f"array {array.name} has no {missing[0]}")
        self._scenario = replace(self._scenario, arrays=(*self._scenario.arrays, array))

    # ---- adapters

    def _adapter_section(self, line: Line) -> None:
        host = line.number("the adapter's SCSI host number")
        if any(adapter.host == host for adapter in self._scenario.adapters):
            raise line.error(f"adapter {host} is there already")
        transport = line.choice("a transport", Transport)
        adapter = Adapter(host=host, transport=transport, port=line.take("the adapter's port name"))
        others = self._scenario.adapters

        def sees(line: Line) -> None:
            nonlocal adapter
            adapter = replace(adapter, sees=(*adapter.sees, *self._ports(line)))
            self._scenario = replace(self._scenario, adapters=(*others, adapter))

        self._scenario = replace(self._scenario, adapters=(*others, adapter))
        self._below = {"sees": sees}

    def _ports(self, line: Line) -> tuple[PortRef, ...]:
        name = line.take("an array's name")
        array = next((array for array in self._scenario.arrays if array.name == name), None)
        if array is None:
            known = ", ".join(array.name for array in self._scenario.arrays) or "none"
            raise line.error(f"no array is called {name!r}", hint=f"above here there are: {known}")
        found = [PortRef(name, line.take_as(f"a port of {name}", _one_of(array.ports)))]
        while line.left:
            found.append(PortRef(name, line.take_as(f"a port of {name}", _one_of(array.ports))))
        return tuple(found)

    # ---- maps, files, events

    def _map_section(self, line: Line) -> None:
        spec, others = MapSpec(name=line.take("the map's name"), uuid=line.take("its UUID")), self._scenario.maps
        if any(spec.name == other.name or spec.uuid == other.uuid for other in others):
            raise line.error("a map of that name or UUID is there already")

        def change(**values: object) -> None:
            nonlocal spec
            spec = replace(spec, **values)  # type: ignore[arg-type]
            self._scenario = replace(self._scenario, maps=(*others, spec))

        change()
        self._below = {
            "table": lambda line: change(table=(*spec.table, _target(line))),
            "inactive": lambda line: change(inactive=(*spec.inactive, _target(line))),
            "suspended": lambda _: change(suspended=True),
            "read-only": lambda _: change(read_only=True),
            "opened": lambda line: change(opened=line.number("how many programs have it open")),
        }

    def _md_section(self, line: Line) -> None:
        spec, others = MdSpec(name=line.take_as("an array's name (md0)", _md_name)), self._scenario.md
        if any(spec.name == other.name for other in others):
            raise line.error("an array of that name is there already")

        def change(**values: object) -> None:
            nonlocal spec
            spec = replace(spec, **values)  # type: ignore[arg-type]
            self._scenario = replace(self._scenario, md=(*others, spec))

        change()
        self._below = {
            "metadata": lambda line: change(metadata=line.take_as("a version", _one_of(VERSIONS))),
            "uuid": lambda line: change(uuid=line.take_as("a UUID in small letters", _uuid)),
            "members": lambda line: change(members=(*spec.members, line.take("a disk"), *line.rest())),
            "disks": lambda line: change(disks=line.number("how many places there are")),
        }

    def _nvme_section(self, line: Line) -> None:
        others = self._scenario.nvme

        def put(subsystem: NvmeSubsystem) -> None:
            self._scenario = replace(self._scenario, nvme=(*others, subsystem))

        self._below = nvme_words.section(line, others, put)

    def _file_section(self, line: Line) -> None:
        path = line.take_as("an absolute path", _path)
        end = line.take(f"{_HERE}END")
        if not end.startswith(_HERE) or end == _HERE:
            raise line.error(f"{end!r} should be {_HERE}END: the text follows, up to a line that is just END")
        line.end()
        file = FileSpec(path, self._text.block(end.removeprefix(_HERE), line))
        self._scenario = replace(self._scenario, files=(*self._scenario.files, file))

    def _now(self, line: Line) -> None:
        self._event(line, 0.0)

    def _at(self, line: Line) -> None:
        self._event(line, line.take_as("a time such as 30s", seconds))

    def _event(self, line: Line, at: float) -> None:
        self._names = self._names.following(self._scenario)
        event = read_event(line, at, self._names)
        self._scenario = replace(self._scenario, events=(*self._scenario.events, event))


def _nothing() -> None:
    """A section that needs no end."""


def _group(line: Line, array: Array) -> Group:
    number = line.number("the target port group's number")
    if any(group.id == number for group in array.groups):
        raise line.error(f"group {number} is there already")
    state = line.choice("an access state", AccessState)
    preferred, ports = False, list[str]()
    while line.left:
        word = line.take("a port")
        if word == "preferred":
            preferred = True
        elif word in (*array.ports, *ports):
            raise line.error(f"port {word} is there already")
        else:
            ports.append(word)
    if not ports:
        raise line.error(f"group {number} has no port")
    return Group(id=number, state=state, preferred=preferred, ports=tuple(ports))


def _luns(line: Line, array: Array) -> tuple[Lun, ...]:
    """One logical unit, or (`lun 0-3`) several, in whose names `{nn}` becomes two hexadecimal digits of the number."""
    numbers = line.take_as("a LUN (0) or several (0-3)", _range)
    if {lun.number for lun in array.luns} & set(numbers):
        raise line.error("a LUN of that number is there already")
    size, naa, serial, owner, read_only = 0, "", "", None, False
    while line.left:
        match line.take("keyword"):
            case "size":
                size = line.take_as("a size such as 20G", sectors)
            case "naa":
                naa = line.take_as("16 or 32 hexadecimal digits", _naa)
            case "serial":
                serial = line.take_as("text of at most 64 signs", _ascii(64))
            case "owner":
                owner = line.take_as(
                    "a group of this array", _named({str(group.id): group.id for group in array.groups})
                )
            case "read-only":
                read_only = True
            case other:
                raise line.error(f"{other!r} is not a keyword of a LUN", hint="size, naa, serial, owner, read-only")
    if not (size and (naa or serial)):
        raise line.error("a LUN needs a size, and a naa or a serial")
    return tuple(
        Lun(
            number=number,
            size=size,
            naa=_counted(naa, number),
            serial=_counted(serial, number) or _counted(naa, number)[-12:],
            owner=owner,
            read_only=read_only,
        )
        for number in numbers
    )


def _counted(text: str, number: int) -> str:
    return _COUNTED.sub(lambda match: f"{number:0{len(match[1])}x}", text)


def _target(line: Line) -> str:
    line.number("the first sector")
    line.number("the number of sectors")
    return " ".join(" ".join(line.whole()).split())  # blanks inside of quotes part words for the kernel, too


# ---- words


def _bad(text: str) -> NoReturn:
    raise ValueError(text)


def _on(line: Line) -> bool:
    return line.take_as("on or off", _named({"on": True, "off": False}))


def _named(values: Mapping[str, T]) -> Callable[[str], T]:
    return lambda text: values[text] if text in values else _bad(text)


def _one_of(values: tuple[str, ...]) -> Callable[[str], str]:
    return lambda text: text if text in values else _bad(text)


def _ascii(longest: int) -> Callable[[str], str]:
    return lambda text: text if text.isascii() and text.isprintable() and 0 < len(text) <= longest else _bad(text)


def _path(text: str) -> str:
    return text if text.startswith("/") and not text.endswith("/") else _bad(text)


def _md_name(text: str) -> str:
    return text if _MD_NAME.fullmatch(text) else _bad(text)


def _uuid(text: str) -> str:
    return text if _UUID.fullmatch(text) else _bad(text)


def _naa(text: str) -> str:
    return text if _NAA.fullmatch(_counted(text, 0)) else _bad(text)


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    if not (first.isdigit() and (last or first).isdigit()):
        _bad(text)
    numbers = range(int(first), int(last or first) + 1)
    return numbers if numbers and numbers[-1] < 1 << 14 else _bad(text)


def _instant(text: str) -> float:
    instant = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    datetime.fromtimestamp(instant, UTC)  # ValueError when rounding led into a year 10000, which dates do not have
    return instant
