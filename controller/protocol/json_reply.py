"""Maps as JSON, laid out as multipathd lays it out: some programs look for lines, not for values.

In: rows. Out: text, always one complete object. Pure. Two things differ from multipathd, where its text would not be
what its readers take it for: characters that JSON does not allow in a string are escaped, as a device may call itself
anything; and a priority that is not known is 0, as a program that takes it for a number without a sign reads no map
at -1.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from controller.protocol.rows import GroupRow, MapRow, PathRow
from controller.protocol.wildcards import GROUP, MAP, PATH

_HEADER = '{\n   "major_version": 0,\n   "minor_version": 1,\n'

_STRING, _NUMBER = '"%s"', "%s"
_MAP_KEYS = (
    ("name", "n"), ("uuid", "w"), ("sysfs", "d"), ("failback", "F"), ("queueing", "Q"), ("paths", "N"),
    ("write_prot", "r"), ("dm_st", "t"), ("features", "f"), ("hwhandler", "h"), ("action", "A"), ("path_faults", "0"),
    ("vend", "v"), ("prod", "p"), ("rev", "e"), ("switch_grp", "1"), ("map_loads", "2"), ("total_q_time", "3"),
    ("q_timeouts", "4"),
)  # fmt: skip
_GROUP_KEYS = (("selector", "s"), ("pri", "p"), ("dm_st", "t"), ("marginal_st", "M"))
_PATH_KEYS = (
    ("dev", "d"), ("dev_t", "D"), ("dm_st", "t"), ("dev_st", "o"), ("chk_st", "T"), ("checker", "c"), ("pri", "p"),
    ("host_wwnn", "N"), ("target_wwnn", "n"), ("host_wwpn", "R"), ("target_wwpn", "r"), ("host_adapter", "a"),
    ("lun_hex", "L"), ("marginal_st", "M"),
)  # fmt: skip
_NUMBERS = frozenset({"paths", "path_faults", "switch_grp", "map_loads", "total_q_time", "q_timeouts", "pri"})


def _template(keys: Sequence[tuple[str, str]], indent: int) -> str:
    """The lines of an object, to be filled with its values in order."""
    lines = (f'{" " * indent}"{key}" : {_NUMBER if key in _NUMBERS else _STRING}' for key, _ in keys)
    return "{\n" + ",\n".join(lines)


_MAP_TEMPLATE, _GROUP_TEMPLATE, _PATH_TEMPLATE = (
    _template(_MAP_KEYS, 6), _template(_GROUP_KEYS, 9), _template(_PATH_KEYS, 12)
)  # fmt: skip
_MAP_TEXTS = tuple(MAP[letter].text for _, letter in _MAP_KEYS)
_GROUP_TEXTS = tuple(GROUP[letter].text for _, letter in _GROUP_KEYS)
_PATH_TEXTS = tuple(PATH[letter].text for _, letter in _PATH_KEYS)

_FORBIDDEN = re.compile(r'[\x00-\x1f"\\\ud800-\udfff]')
"""The last ones stand for bytes that are no UTF-8."""
_REPLACEMENT = "\ufffd"


def maps_json(maps: Iterable[MapRow]) -> Iterator[str]:
    """The reply to `show maps json`, in parts."""
    yield f'{_HEADER}   "maps": ['
    for number, row in enumerate(maps):
        yield "," if number else ""
        yield row.texts.text("json", _map, row)
        yield "   }"
    yield "]\n}\n"


def map_json(row: MapRow) -> str:
    """The reply to `show map M json`."""
    return f'{_HEADER}   "map":{_map(row)}   }}\n}}\n'


def _items(items: list[str], indent: str) -> str:
    """The objects of an array; the closing brace of each is after `indent`."""
    return ",".join(f"{item}{indent}}}" for item in items)


def _map(row: MapRow) -> str:
    head = _MAP_TEMPLATE % _safe([text(row) for text in _MAP_TEXTS])
    groups = [_group(number, group) for number, group in enumerate(row.groups, 1)]
    return f'{head},\n      "path_groups": [{_items(groups, "      ")}]\n'


def _group(number: int, row: GroupRow) -> str:
    values = [text(row) for text in _GROUP_TEXTS]
    values[_GROUP_PRIORITY] = _unsigned(values[_GROUP_PRIORITY])
    paths = _items([path.texts.text("json", _path, path) for path in row.paths], "         ")
    return f'{_GROUP_TEMPLATE % _safe(values)},\n         "group" : {number},\n         "paths": [{paths}]\n'


def _path(row: PathRow) -> str:
    values = [text(row) for text in _PATH_TEXTS]
    values[_PATH_PRIORITY] = _unsigned(values[_PATH_PRIORITY])
    return f"{_PATH_TEMPLATE % _safe(values)}\n"


_GROUP_PRIORITY, _PATH_PRIORITY = ([key for key, _ in keys].index("pri") for keys in (_GROUP_KEYS, _PATH_KEYS))


def _unsigned(number: str) -> str:
    return "0" if number.startswith("-") else number


def _safe(values: list[str]) -> tuple[str, ...]:
    """The values so that each may stand in a JSON string. Nearly always they may, which is quickly seen of all."""
    together = "".join(values)
    if '"' in together or "\\" in together or not together.isprintable():
        return tuple(_FORBIDDEN.sub(_escape, value) for value in values)
    return tuple(values)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in '"\\':
        return "\\" + character
    return f"\\u{ord(character):04x}" if character < " " else _REPLACEMENT
