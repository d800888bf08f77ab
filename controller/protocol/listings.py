"""All paths and all maps in one reply: tables, trees, JSON. They are the longest replies, and those most asked for.

In: a `State`. Out: the text, or the whole message. Pure but for what is kept: whatever does not change with time is a
`Piece`, made again only when something else changed, and before somebody asks for it again.
"""

from collections.abc import Iterable
from functools import lru_cache

from controller.protocol import foreign, json_reply, tables, topology, wildcards
from controller.protocol.frames import Message, encode_text
from controller.protocol.pieces import Piece
from controller.protocol.rows import MapRow, map_rows, still_rows, ticks
from controller.protocol.state import State
from controller.protocol.tables import Part, kept_part, part
from observers.breathing import Breathe, breathing
from observers.snapshot import ForeignMap

FORMATS = 16
"""Formats of paths and of maps that are known again."""


def all_maps(state: State) -> list[MapRow]:
    """Our maps."""
    return map_rows(state, still_rows(state))


def _foreign(state: State) -> tuple[ForeignMap, ...]:
    return foreign.shown(state.snapshot, state.config)


def _all_paths(state: State) -> tuple[Part, Part]:
    """Ours, and those of the maps that the kernel makes itself."""
    return kept_part(still_rows(state), wildcards.PATH, ticks=lambda: ticks(state)), _other_paths(_foreign(state))


def _other_paths(others: Iterable[ForeignMap]) -> Part:
    return part([path for each in others for path in each.paths], foreign.PATH)


def _of_paths(state: State) -> tuple[object, ...]:
    """What a reply is made of that shows nothing but paths, also those of the kernel's own maps."""
    return state.snapshot, state.config, still_rows(state)


def path_table(state: State, format_: str, *, raw: bool = False) -> str:
    """All paths, also of maps that the kernel makes itself."""
    if tables.PATHS_FLEETING in tables.letters(format_):
        return tables.table(format_, *_all_paths(state), raw=raw)
    return _still_paths(format_, raw=raw)(state)


def map_table(state: State, format_: str, *, raw: bool = False) -> str:
    """All maps, also those that the kernel makes itself."""
    return _maps_in(format_, raw=raw)(state)


@lru_cache(maxsize=FORMATS)
def _still_paths(format_: str, *, raw: bool) -> Piece[str]:
    """A table of paths of which nothing changes with time."""

    def make(state: State, breathe: Breathe) -> str:
        ours = kept_part(still_rows(state), wildcards.PATH, breathe=breathe)
        return tables.table(format_, ours, _other_paths(_foreign(state)), raw=raw)

    return Piece(f"paths {raw} {format_}", _of_paths, make)


@lru_cache(maxsize=FORMATS)
def _maps_in(format_: str, *, raw: bool) -> Piece[str]:
    """A table of maps."""

    def make(state: State, breathe: Breathe) -> str:
        ours = kept_part(all_maps(state), wildcards.MAP, breathe=breathe)
        return tables.table(format_, ours, part(_foreign(state), foreign.MAP), raw=raw)

    return Piece(f"maps {raw} {format_}", _of_rows, make)


def paths(state: State) -> str:
    """The reply to `show paths`."""
    ours, others = _all_paths(state)
    return tables.path_table(_PATH_LINES(state), wildcards.PATH, ours.cells(tables.PATHS_FLEETING), others)


_PATH_LINES = Piece(
    "lines of paths",
    _of_paths,
    lambda state, breathe: tables.still_lines(
        still_rows(state), wildcards.PATH, _other_paths(_foreign(state)), breathe=breathe
    ),
)


def _topology(state: State, breathe: Breathe) -> str:
    paths, others = still_rows(state), _foreign(state)
    theirs = _other_paths(others)
    widths = topology.columns(breathing(paths, breathe), least=tables.part_widths(topology.PATH_FORMAT, theirs))
    lines = iter(tables.padded_lines(topology.PATH_FORMAT, widths, theirs))
    ours = topology.topology(map_rows(state, paths), paths, widths, breathe=breathe)
    return ours + "".join(foreign.tree(each, lines) for each in others)


def _of_rows(state: State) -> tuple[object, ...]:
    """What a reply is made of that shows nothing but rows, and maps of the kernel's own."""
    return *_of_paths(state), all_maps(state)


TOPOLOGY = Piece("topology", _of_rows, _topology)


def _maps_json(state: State, breathe: Breathe) -> Message:
    return Message([encode_text(part) for part in json_reply.maps_json(breathing(all_maps(state), breathe))])


MAPS_JSON = Piece("maps json", _of_rows, _maps_json)


COLUMNS = Piece(
    "columns of paths",
    lambda state: (still_rows(state),),
    lambda state, breathe: topology.columns(breathing(still_rows(state), breathe)),
)
