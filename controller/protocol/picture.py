"""The picture of a host's multipath topology: maps, their groups and paths, and the disks that are in no map.

In: a snapshot, and what is desired of it (for WWIDs and priorities). Out: lines of text. Pure; it draws what is there,
not what should be. One-shot commands and the daemon (`list tree`) draw the same; what multipathd draws, for programs,
is in `controller.protocol.topology`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from desired.model import Admission, Desired, Member, Verdict
from observers.dmtable import DevT, GroupState, GroupStatus, PathStatus, Sectors
from observers.snapshot import Map, Path, PathState, Snapshot, Wwid


@dataclass(frozen=True, slots=True)
class Style:
    """The signs to draw with, and whether the terminal has colours."""

    branch: str
    last: str
    bar: str
    works: str
    failed: str
    colour: bool = False

    def paint(self, text: str, code: int) -> str:
        """The text in an ANSI colour, where there are colours."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text


UNICODE = Style("├─ ", "└─ ", "│  ", "●", "✗")
ASCII = Style("|- ", "`- ", "|  ", "*", "x")


def coloured(style: Style) -> Style:
    """The same signs, with colours."""
    return replace(style, colour=True)


GREEN, RED, YELLOW = 32, 31, 33
NEVER_PATHS = {Verdict.BLACKLISTED, Verdict.NOT_A_DISK}
GROUP_WORDS = {GroupState.ACTIVE: "in use", GroupState.ENABLED: "standing by", GroupState.DISABLED: "disabled"}


def size_text(sectors: Sectors) -> str:
    """A size in the largest binary unit in which it is at least 1, with at most one decimal."""
    amount = float(sectors * 512)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            return f"{amount:.1f}".removesuffix(".0") + " " + unit
        amount /= 1024
    return f"{amount:.1f}".removesuffix(".0") + " PiB"


def draw(snapshot: Snapshot, desired: Desired, style: Style) -> str:
    """The whole picture; it ends with a newline."""
    paths = {path.dev: path for path in snapshot.paths}
    members = {member.dev: member for each in desired.maps for member in each.members}
    lines = [line for each in snapshot.maps for line in _draw_map(each, paths, members, style)]
    mapped = {dev for each in snapshot.maps if each.table for dev in each.table.devices}
    rest = [each for each in desired.admissions if each.dev not in mapped]
    lines += _draw_rest([each for each in rest if each.verdict not in NEVER_PATHS], paths, style)
    if not lines:
        lines.append("no multipath maps and no disks that could be paths")
    lines += [f"not paths: {each.name} ({each.reason})" for each in rest if each.verdict in NEVER_PATHS]
    return "".join(line + "\n" for line in lines)


def _tree(items: Sequence[tuple[str, Sequence[str]]], style: Style) -> Iterator[str]:
    """Items with the lines under each, as branches."""
    for at, (head, below) in enumerate(items):
        end = at == len(items) - 1
        yield (style.last if end else style.branch) + head
        yield from (("   " if end else style.bar) + line for line in below)


def _draw_map(each: Map, paths: dict[DevT, Path], members: dict[DevT, Member], style: Style) -> Iterator[str]:
    title = each.name if str(each.name) == each.wwid else f"{each.name}  {each.wwid}"
    if each.table is None:
        yield f"{title}  no multipath table"
        return
    first = next((paths[dev] for dev in each.table.devices if dev in paths), None)
    words = [
        _product(first),
        size_text(each.table.size),
        "queues without paths" if each.table.queues else "fails without paths",
        *(["SUSPENDED"] if each.suspended else []),
        f"open {each.open_count}",
    ]
    yield f"{title}  {', '.join(word for word in words if word)}"
    groups = each.status.groups if each.status else ()
    items = []
    for number, (group, table) in enumerate(zip(groups, each.table.groups, strict=False), 1):
        rows = _columns([_path_row(status, paths, style) for status in group.paths])
        items.append((_group_text(number, group, table.selector, members), list(_tree([(r, ()) for r in rows], style))))
    yield from _tree(items, style)


def _product(path: Path | None) -> str:
    return f"{path.vendor} {path.product}".strip() if path else ""


def _group_text(number: int, group: GroupStatus, selector: str, members: dict[DevT, Member]) -> str:
    known = {members[path.dev].priority.value for path in group.paths if path.dev in members}
    prio = f", priority {'/'.join(str(value) for value in sorted(known, key=str))}" if known else ""
    return f"group {number}: {GROUP_WORDS[group.state]}{prio}, {selector}"


def _path_row(status: PathStatus, paths: dict[DevT, Path], style: Style) -> list[str]:
    path = paths.get(status.dev)
    sign = style.paint(style.works, GREEN) if status.active else style.paint(style.failed, RED)
    if path is None:
        return [sign, "?", status.dev, "the device is gone"]
    return [sign, path.name, path.dev, *_facts(path, style)]


def _facts(path: Path, style: Style) -> list[str]:
    health = path.health
    message = "" if health.state is PathState.UP else _trouble(path)
    colour = GREEN if health.state.usable else YELLOW if health.state is PathState.PENDING else RED
    return [
        str(path.address or ""),
        path.protocol,
        path.alua.access_state,
        style.paint(str(health.state), colour) + (f" ({message})" if message else ""),
    ]


def _trouble(path: Path) -> str:
    """Why a path is not up: the kernel's word where it says that the device is not running, else the checker's."""
    return path.health.message.strip() if path.device_state in ("", "running", "live") else path.device_state


def _columns(rows: list[list[str]]) -> list[str]:
    """Rows with their cells under each other; the last cell of a row is as long as it is."""
    count = max(map(len, rows), default=0)
    widths = [max((_width(row[at]) for row in rows if at < len(row) - 1), default=0) for at in range(count)]
    return [
        "  ".join(_pad(cell, width) for cell, width in zip(row, widths, strict=False) if cell or width).rstrip()
        for row in rows
    ]


def _pad(cell: str, width: int) -> str:
    return cell + " " * (width - _width(cell))


def _width(cell: str) -> int:
    """How many columns a cell takes: a colour's escape sequence takes none."""
    return len(re.sub(r"\x1b\[\d+m", "", cell))


def _draw_rest(rest: list[Admission], paths: dict[DevT, Path], style: Style) -> Iterator[str]:
    """The disks that are in no map: by WWID, with the verdict on each."""
    by_wwid: dict[Wwid, list[Admission]] = {}
    for each in rest:
        by_wwid.setdefault(each.wwid, []).append(each)
    for wwid, admissions in by_wwid.items():
        path = paths[admissions[0].dev]
        words = [_product(path), size_text(path.size)]
        yield f"{style.paint('no map', YELLOW)}  {wwid or 'no WWID'}  {', '.join(word for word in words if word)}"
        rows = _columns([_disk_row(each, paths[each.dev], style) for each in admissions])
        yield from _tree([(row, ()) for row in rows], style)


def _disk_row(each: Admission, path: Path, style: Style) -> list[str]:
    words = str(each.verdict) if each.verdict is Verdict.ADMITTED else f"{each.verdict}: {each.reason}"
    return [path.name, path.dev, *_facts(path, style), words]
