"""What an installation put where, so that the next one and `make uninstall` can take it away again, and nothing else.

In: a tree that was built aside, and the root that it is for. Out: the tree's files at their places, and a record of
them in PREFIX/lib/mpathctl. The directory of the application is ours, and goes as a whole. Elsewhere a file is removed
only while it is what was installed: what somebody has changed or replaced since is told, and stays. Only the standard
library is needed. It must never touch anything outside the prefix.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

APPLICATION = "lib/mpathctl"
"""Below the prefix: what is ours as a whole."""
_RECORD = f"{APPLICATION}/installed.json"
_PROGRAMS = f"{APPLICATION}/bin"
_FORMAT, _VERSION = "mpathctl-installed", 1

_FILE, _EXECUTABLE = 0o644, 0o755


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """Where the system is (DESTDIR), and what of it we install into (PREFIX, as the system sees it)."""

    destdir: Path
    prefix: Path

    @property
    def top(self) -> Path:
        """The prefix below DESTDIR."""
        return self.destdir / self.prefix.relative_to("/")


def root(destdir: str, prefix: str) -> Root:
    """From the command line; SystemExit with one line when that makes no sense."""
    if not prefix.startswith("/") or ".." in Path(prefix).parts:
        raise SystemExit(f"PREFIX is {prefix!r}, but has to be an absolute path, such as PREFIX=/usr")
    return Root(destdir=Path(destdir or "/").absolute(), prefix=Path("/", prefix.lstrip("/")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Places below the prefix. `files`: each with the digest of its content, or of a link's text; `directories`: those
    that were not there before."""

    files: dict[str, str]
    directories: tuple[str, ...] = ()


def read(where: Root) -> Record:
    """The record of what is installed there, empty where nothing is; SystemExit when it can't be read."""
    place = where.top / _RECORD
    try:
        document = json.loads(place.read_bytes())
        if (document["format"], document["version"]) != (_FORMAT, _VERSION):
            raise ValueError("another version of mpathctl wrote it")
        files = {str(name): str(digest) for name, digest in document["files"].items()}
        return Record(files=files, directories=tuple(map(str, document["directories"])))
    except FileNotFoundError:
        return Record(files={})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SystemExit(f"{place}: not a record of an installation: {error}") from error


def is_installed(where: Root) -> bool:
    """Whether there is a record."""
    return (where.top / _RECORD).is_file()


def place(built: Path, where: Root) -> tuple[str, ...]:
    """Put a tree there, and take away what an earlier installation put there and this one does not want. Returns what
    stays because it is not any more what was installed."""
    before = read(where)
    wanted = sorted(_below(built))
    outside = [name for name in wanted if not name.startswith(f"{APPLICATION}/")]
    missing = {folder for name in outside for folder in _folders(name) if not (where.top / folder).is_dir()}
    for ours in ("bin", "lib"):
        shutil.rmtree(where.top / APPLICATION / ours, ignore_errors=True)
    for name in wanted:
        _put(built / name, where.top / name, executable=name.startswith(f"{_PROGRAMS}/"))
    stays = _take_away({name: digest for name, digest in before.files.items() if name not in outside}, where)
    files = {name: digest_of(built / name) for name in outside}
    made = sorted({*before.directories, *missing})
    _write(Record(files=files, directories=tuple(folder for folder in made if (where.top / folder).is_dir())), where)
    return stays


def remove(where: Root) -> tuple[str, ...]:
    """Take everything away that was installed there. Returns what stays because it is not any more what that was."""
    record = read(where)
    stays = _take_away(record.files, where)
    shutil.rmtree(where.top / APPLICATION)
    _remove_empty(record.directories, where)
    return stays


def digest_of(path: Path) -> str:
    """Of a file's content, or of a link's text."""
    content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
    return hashlib.sha256(content).hexdigest()


def _take_away(files: dict[str, str], where: Root) -> tuple[str, ...]:
    stays = []
    for name, digest in files.items():
        path = where.top / name
        if ".." in Path(name).parts or not (path.is_symlink() or path.is_file()):
            continue
        if digest_of(path) == digest:
            path.unlink()
        else:
            stays.append(str(path))
    return tuple(stays)


def _remove_empty(directories: Iterable[str], where: Root) -> None:
    for folder in sorted(directories, key=lambda folder: len(Path(folder).parts), reverse=True):
        path = where.top / folder
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _put(source: Path, target: Path, *, executable: bool) -> None:
    """One file or link, new: who has the old one open keeps it. Modes are ours, whatever those of the sources are."""
    _make_folders(target.parent)
    target.unlink(missing_ok=True)
    if source.is_symlink():
        target.symlink_to(os.readlink(source))
        return
    shutil.copyfile(source, target)
    target.chmod(_EXECUTABLE if executable else _FILE)


def _make_folders(folder: Path) -> None:
    """A directory and those above it that are not there, for everybody to read."""
    if not folder.is_dir():
        _make_folders(folder.parent)
        folder.mkdir()
        folder.chmod(_EXECUTABLE)


def _write(record: Record, where: Root) -> None:
    document = {"format": _FORMAT, "version": _VERSION, "directories": record.directories, "files": record.files}
    target = where.top / _RECORD
    _make_folders(target.parent)
    target.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    target.chmod(_FILE)


def _below(built: Path) -> Iterator[str]:
    """Files and links, by their place."""
    for path in built.rglob("*"):
        if path.is_symlink() or path.is_file():
            yield str(path.relative_to(built))


def _folders(name: str) -> Iterator[str]:
    """The directories above a place; the prefix itself is a dot."""
    return map(str, Path(name).parents)
