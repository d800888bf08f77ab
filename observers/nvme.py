"""NVMe namespaces that the kernel itself multipaths: the heads, and the hidden paths below each.

In: a `Reader`. Out: `ForeignMap` facts from sysfs, for showing. Such a namespace is nobody else's to touch: none is
ever a `Path`, and nothing here opens one.
"""

import re

from observers.dmtable import DevT, Sectors
from observers.reading import NOT_PROVIDED, VANISHED, Reader
from observers.snapshot import DeviceName, ForeignMap, ForeignPath

LIBRARY = "nvme"
"""The name that `enable_foreign` is compared with."""

_HEADS = "/sys/class/nvme-subsystem"
_HEAD = re.compile(r"nvme\d+n(\d+)")
_PATH = re.compile(r"nvme\d+c\d+n(\d+)")
_CONTROLLER = re.compile(r"nvme\d+")
_PCI = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]")
_DEV = re.compile(r"\d+:\d+")
_HIDDEN = DevT("0:0")
_QUIET = NOT_PROVIDED | VANISHED


def observe(reader: Reader) -> tuple[ForeignMap, ...]:
    """All of them; none where the kernel leaves the multipathing of NVMe to others."""
    found = []
    for name in reader.names(_HEADS, "NVMe subsystems", quiet=_QUIET):
        if (subsystem := _real(reader, f"{_HEADS}/{name}")) is not None:
            found += _of_subsystem(reader, subsystem)
    return tuple(found)


def _of_subsystem(reader: Reader, subsystem: str) -> list[ForeignMap]:
    names = reader.names(subsystem, "NVMe subsystem", quiet=_QUIET)
    heads = [(name, match[1]) for name in names if (match := _HEAD.fullmatch(name))]
    if not heads:
        return []
    links = [f"{subsystem}/{name}" for name in names if _CONTROLLER.fullmatch(name)]
    controllers = [place for link in links if (place := _real(reader, link))]
    return [_head(reader, f"{subsystem}/{name}", number, controllers) for name, number in heads]


def _real(reader: Reader, link: str) -> str | None:
    return reader.attempt("NVMe subsystem", lambda: reader.host.real_path(link), quiet=_QUIET)


def _head(reader: Reader, place: str, number: str, controllers: list[str]) -> ForeignMap:
    subsystem = place.rpartition("/")[0]
    return ForeignMap(
        library=LIBRARY,
        name=_name(place),
        dev=_dev(reader, place),
        wwid=_text(reader, place, "wwid"),
        subsystem=_text(reader, subsystem, "subsysnqn"),
        namespace=_number(reader, place, "nsid"),
        size=Sectors(_number(reader, place, "size")),
        read_only=_text(reader, place, "ro") == "1",
        product=_text(reader, subsystem, "model"),
        revision=_text(reader, subsystem, "firmware_rev"),
        paths=tuple(
            _path(reader, f"{controller}/{name}", controller, _name(place))
            for controller in controllers
            for name in reader.names(controller, "NVMe controller", quiet=_QUIET)
            if (match := _PATH.fullmatch(name)) and match[1] == number
        ),
    )


def _path(reader: Reader, place: str, controller: str, head: DeviceName) -> ForeignPath:
    functions = [name for name in controller.split("/") if _PCI.fullmatch(name)]
    return ForeignPath(
        name=_name(place),
        dev=_dev(reader, place),
        head=head,
        wwid=_text(reader, place, "wwid"),
        size=Sectors(_number(reader, place, "size")),
        state=_text(reader, controller, "state"),
        ana_state=_text(reader, place, "ana_state"),
        product=_text(reader, controller, "model"),
        revision=_text(reader, controller, "firmware_rev"),
        serial=_text(reader, controller, "serial"),
        transport=_text(reader, controller, "transport"),
        address=_text(reader, controller, "address"),
        adapter=functions[-1] if functions else "",
    )


def _name(place: str) -> DeviceName:
    return DeviceName(place.rpartition("/")[2])


def _text(reader: Reader, place: str, attribute: str) -> str:
    return reader.text(f"{place}/{attribute}", attribute, quiet=_QUIET) or ""


def _number(reader: Reader, place: str, attribute: str) -> int:
    return reader.number(f"{place}/{attribute}", attribute, quiet=_QUIET) or 0


def _dev(reader: Reader, place: str) -> DevT:
    text = _text(reader, place, "dev")
    return DevT(text) if _DEV.fullmatch(text) else _HIDDEN
