"""The texts of multipath's configuration and state files; what they mean is for `desired` to say.

In: a `ReadHost` and the files' places. Out: their texts, and a gap for each that is there and can't be read. It must
never look into a text, nor create a file.
"""

import errno
from dataclasses import dataclass

from observers.host import ReadHost
from observers.reading import Reader, decode
from observers.snapshot import Gap, TextFile

MAIN_FILE = "/etc/multipath.conf"
DROP_IN_DIRECTORY = "/etc/multipath/conf.d"
STATE_DIRECTORY = "/etc/multipath"

_SUFFIX = ".conf"
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files are: the main file, the directory of drop-ins, and that of `bindings`, `wwids` and `prkeys`."""

    main: str = MAIN_FILE
    drop_ins: str = DROP_IN_DIRECTORY
    state: str = STATE_DIRECTORY


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """All files. `configuration`: the main file, then the drop-ins in the order in which they are read."""

    configuration: tuple[TextFile, ...] = ()
    bindings: TextFile | None = None
    wwids: TextFile | None = None
    prkeys: TextFile | None = None
    gaps: tuple[Gap, ...] = ()


def observe(host: ReadHost, places: Places) -> Texts:
    """The texts now; a gap's subject is the path of its file."""
    files, noted = configuration(host, places.main, places.drop_ins)
    gaps = list(noted)
    return Texts(
        configuration=files,
        bindings=_text(host, f"{places.state}/bindings", gaps),
        wwids=_text(host, f"{places.state}/wwids", gaps),
        prkeys=_text(host, f"{places.state}/prkeys", gaps),
        gaps=tuple(gaps),
    )


def configuration(host: ReadHost, main: str, drop_ins: str | None) -> tuple[tuple[TextFile, ...], tuple[Gap, ...]]:
    """The texts of the main file and of the drop-ins (None: without any), in the order in which they are read."""
    paths, gaps = ([], []) if drop_ins is None else _drop_ins(host, drop_ins)
    texts = [_text(host, path, gaps) for path in (main, *paths)]
    return tuple(file for file in texts if file is not None), tuple(gaps)


def _drop_ins(host: ReadHost, directory: str) -> tuple[list[str], list[Gap]]:
    """A hidden `.x.conf` counts as well. In the order of the names' bytes, as multipath-tools sets no locale."""
    reader = Reader(host, directory)
    names = reader.names(directory, "list of files", quiet=_ABSENT)
    chosen = (name for name in names if name.endswith(_SUFFIX))
    ordered = sorted(chosen, key=lambda name: name.encode("utf-8", "surrogateescape"))
    return [f"{directory}/{name}" for name in ordered], reader.gaps


def _text(host: ReadHost, path: str, gaps: list[Gap]) -> TextFile | None:
    reader = Reader(host, path)
    data = reader.data(path, "text", quiet=_ABSENT)
    gaps += reader.gaps
    return None if data is None else TextFile(path, decode(data))
