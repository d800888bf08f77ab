"""Snapshots <-> JSON, the format of `mpathctl snapshot`, which people attach to bug reports.

In: a `Snapshot`, or the text of a file. Out: the text, or the same `Snapshot` again. What is not such a file raises
`InputError` with one line that says what it is instead. It must never guess at another version's meaning.

The nouns have no list of their JSON fields anywhere else: pydantic derives both directions from them. Lone surrogates,
which stand for bytes that are not UTF-8, survive as JSON escapes.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from pydantic import ConfigDict, TypeAdapter, ValidationError

from observers.dmtable import DEV_T, DevT
from observers.errors import InputError
from observers.snapshot import Hex, Path, Snapshot

FORMAT = "mpathctl-snapshot"
VERSION = 1

_HINT = "make a new one with: mpathctl snapshot"

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)  # 1e999 is infinite in Python, and no JSON when written again

_ADAPTER: TypeAdapter[tuple[Snapshot]] = TypeAdapter(tuple[Snapshot], config=_CONFIG)
"""A tuple of one, since pydantic hands a configuration down to plain dataclasses but does not take one for them."""


def to_json(snapshot: Snapshot) -> str:
    """The file's text: indented, fields in the order of the nouns, properties in theirs, and a newline at the end."""
    (value,) = _ADAPTER.dump_python((snapshot,))
    document = {"format": FORMAT, "version": VERSION, "snapshot": value}
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def from_json(text: str, *, origin: str) -> Snapshot:
    """The snapshot in a file's text; `origin` names the file in the one line of an `InputError`."""
    try:
        (snapshot,) = _ADAPTER.validate_python((_content(_document(text)),))
        _check(snapshot)
    except ValidationError as error:
        raise InputError(f"{origin}: {_bad_field(error)}", hint=_HINT) from error
    except _Refused as error:
        raise InputError(f"{origin}: {error}", hint=_HINT) from error
    return snapshot


class _Refused(Exception):
    """Why a text is no snapshot, without the file's name."""


def _content(document: Any) -> Any:
    """The field `snapshot`, of a document whose other fields are as they should be."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _Refused(f'not a snapshot: JSON, but without "format": "{FORMAT}"')
    version = document.get("version")
    if version != VERSION or isinstance(version, bool):
        shown = json.dumps(version)[:40] if "version" in document else "missing"
        raise _Refused(f"unknown snapshot version {shown}: this program reads version {VERSION}")
    unknown = sorted(document.keys() - _FIELDS)
    if unknown:
        raise _Refused(f"bad field {_word(unknown[0])}: unknown")
    if "snapshot" not in document:
        raise _Refused("bad field snapshot: field required")
    return document["snapshot"]


_FIELDS = frozenset({"format", "version", "snapshot"})


def _document(text: str) -> Any:
    if not text.strip():
        raise _Refused("not a snapshot: the file is empty")
    try:
        return json.loads(text, parse_constant=_not_json)
    except json.JSONDecodeError as error:
        fault = "the text is cut off" if _cut_off(text, error) else f"not JSON: {error.msg.lower()}"
        raise _Refused(f"{fault} at line {error.lineno}, column {error.colno}") from error
    except ValueError as error:
        raise _Refused(f"not JSON that this program reads: {error}") from error
    except RecursionError as error:
        raise _Refused("not a snapshot: JSON that is nested too deeply") from error


def _cut_off(text: str, error: json.JSONDecodeError) -> bool:
    """Whether more text would have mended it: it ends amid an object, a string or a word."""
    rest = text[error.pos :].strip()
    ended = error.msg.startswith("Unterminated string") or any(word.startswith(rest) for word in _WORDS)
    return ended and text.lstrip().startswith("{")


_WORDS = ("true", "false", "null", "-")


def _not_json(word: str) -> NoReturn:
    """Python's reader takes more than JSON has."""
    raise _Refused(f"not JSON: {word} is not a number there")


def _bad_field(error: ValidationError) -> str:
    """The first fault, with the field's path, such as `snapshot.paths.3.size`."""
    faults = error.errors(include_url=False, include_context=False)
    kind, message, shown = faults[0]["type"], faults[0]["msg"], repr(faults[0]["input"])
    place = ".".join(["snapshot", *(_word(part) for part in faults[0]["loc"][1:])])
    found = f", found {shown}" if len(shown) <= _SHOWN and kind not in _ABOUT_THE_NAME else ""
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"bad field {place}: {message[:1].lower()}{message[1:]}{found}{more}"


_SHOWN = 60
"""Characters: a longer value makes the line less clear."""

_ABOUT_THE_NAME = ("missing", "missing_argument", "unexpected_keyword_argument")
"""Kinds of fault in which the value does not matter."""


def _word(part: object) -> str:
    return str(part) if str(part).isprintable() else repr(part)


def _check(snapshot: Snapshot) -> None:
    """Refuse texts that the nouns promise to be numbers, so that nobody after us stumbles over them."""
    for place, dev in _numbers(snapshot):
        if not DEV_T.fullmatch(dev):
            raise _Refused(f"bad field snapshot.{place}: input should be MAJOR:MINOR, found {dev!r}")
    for index, path in enumerate(snapshot.paths):
        for name, page in _pages(path):
            if not _HEX.fullmatch(page or ""):
                raise _Refused(f"bad field snapshot.paths.{index}.{name}: input should be bytes in hexadecimal")


def _pages(path: Path) -> Iterator[tuple[str, Hex | None]]:
    """Every field of bytes, by its name."""
    for name in ("page83_cached", "page83_device", "inquiry_device"):
        yield name, getattr(path, name)
    if (identity := path.nvme_identity) is not None:
        for name in ("descriptors", "namespace", "controller"):
            yield f"nvme_identity.{name}", getattr(identity, name)
    for number, page in path.vendor_pages.items():
        yield f"vendor_pages.{number}", page


def _numbers(snapshot: Snapshot) -> Iterator[tuple[str, DevT]]:
    """Every device number, and the field that it is in."""
    for field in ("paths", "maps", "other_devices"):
        for index, device in enumerate(getattr(snapshot, field)):
            yield f"{field}.{index}.dev", device.dev
    for index, array in enumerate(snapshot.md_arrays):
        yield f"md_arrays.{index}.dev", array.dev
        for place, member in enumerate(array.members):
            if member.dev is not None:
                yield f"md_arrays.{index}.members.{place}.dev", member.dev
    for index, foreign in enumerate(snapshot.foreign_maps):
        yield f"foreign_maps.{index}.dev", foreign.dev
        for number, each in enumerate(foreign.paths):
            yield f"foreign_maps.{index}.paths.{number}.dev", each.dev
    for index, seen in enumerate(snapshot.maps):
        for number, dev in enumerate(seen.table.devices if seen.table else ()):
            yield f"maps.{index}.table, path {number}", dev
        for number, path in enumerate(seen.status.paths if seen.status else ()):
            yield f"maps.{index}.status, path {number}", path.dev


_HEX = re.compile(r"([0-9a-f]{2})*")
