"""A host whose maps are as its configuration wants them, and previews of other configurations for it."""

from collections.abc import Sequence
from dataclasses import replace

from controller.cli.preview_command import of_candidate
from controller.reconcile.preview import MapPreview, Preview, under
from observers.snapshot import Daemon, Health, PathState, Snapshot, TextFile, Wwid
from tests.builders import san_snapshot, unit_wwid

CANDIDATE = "new/candidate.conf"
PRESENT = "defaults {\n\tfind_multipaths greedy\n}\n"
A, B, C = (unit_wwid(number) for number in range(3))
"""Units of an ALUA array, of another one, and of plain disks; two paths each: sda sdb, sdc sdd, sde sdf."""


def settled(config: str = PRESENT, *, maps: int = 3) -> Snapshot:
    """A host with a daemon, where nothing is left to do under `config`."""
    snapshot = san_snapshot(maps, 2, existing=1.0, config=config)
    return replace(snapshot, host=replace(snapshot.host, daemon=Daemon(pid=7, name="multipathd")))


def with_a_path_down(config: str = PRESENT) -> Snapshot:
    """The same host after a path of C (sdf) went down, of which dm does not know yet: to fail it is due."""
    snapshot, down = settled(config), Health("tur", PathState.DOWN)
    return replace(snapshot, paths=tuple(replace(p, health=down) if p.name == "sdf" else p for p in snapshot.paths))


def previewed(snapshot: Snapshot, text: str, *, drop_ins: Sequence[TextFile] | None = None) -> Preview:
    """The preview of `text` in the place of the main file."""
    return of_candidate(snapshot, under(snapshot, TextFile(CANDIDATE, text), drop_ins=drop_ins))


def with_defaults(*lines: str, sections: str = "") -> str:
    """The present configuration with more lines in its defaults."""
    body = "".join(f"\t{line}\n" for line in ("find_multipaths greedy", *lines))
    return f"defaults {{\n{body}}}\n{sections}"


def entry(wwid: Wwid, *lines: str) -> str:
    """A multipaths section with one entry."""
    body = "".join(f"\t\t{line}\n" for line in (f"wwid {wwid}", *lines))
    return f"multipaths {{\n\tmultipath {{\n{body}\t}}\n}}\n"


def blacklist(*rules: str) -> str:
    """A blacklist section."""
    return "blacklist {\n" + "".join(f"\t{rule}\n" for rule in rules) + "}\n"


def map_of(preview: Preview, wwid: Wwid) -> MapPreview:
    """The part of a preview that is about one map."""
    (found,) = (each for each in preview.maps if each.wwid == wwid)
    return found
