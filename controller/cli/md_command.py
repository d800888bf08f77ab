"""`mpathctl show md`: the md arrays of level multipath and their members, and whether this kernel can have any.

In: the parsed options. Out: text or JSON on standard output. It reads /proc/mdstat and sysfs only: no disk is asked,
and nobody needs to be root for it.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from controller.cli import commands, terminal
from controller.reconcile.explain import size_text
from controller.reconcile.md_text import no_array_text
from observers import mdstat, system
from observers.host import ReadHost
from observers.mdstat import MULTIPATH, multipath_left
from observers.reading import Reader
from observers.snapshot import Gap, HostFacts, MdArray, MdMember

JSON_VERSION = 1
"""Raised when a reader of the last version would misunderstand."""

_HEADER = ("device", "number", "place", "state", "errors")


def add_show_md(parser: argparse.ArgumentParser, *, seconds: Callable[[str], float]) -> None:
    """The options of `show md`. `seconds`: reads a time that is none too long."""
    parser.description = "List md arrays of level multipath, their members, and which of them have failed."
    parser.add_argument("--snapshot", metavar="FILE", help="of the host of this snapshot")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--after", metavar="SECONDS", type=seconds, help="with --sandbox: let this much virtual time pass first"
    )
    parser.set_defaults(run=show_md)


def show_md(options: argparse.Namespace) -> int:
    """`mpathctl show md`."""
    if options.snapshot is not None:
        snapshot = commands.snapshot_of(options)
        facts, arrays, gaps = snapshot.host, snapshot.md_arrays, tuple[Gap, ...]()
    else:
        facts, arrays, gaps = _observed(commands.host_of(options))
    for gap in gaps:
        terminal.complain(f"{gap.subject}: {gap.what}: {gap.reason}")
    sys.stdout.write(_json(facts, arrays) if options.json else "".join(f"{line}\n" for line in _lines(facts, arrays)))
    return terminal.DONE


def _observed(host: ReadHost) -> tuple[HostFacts, tuple[MdArray, ...], tuple[Gap, ...]]:
    reader = Reader(host, "host")
    md = mdstat.observe(host)
    facts = HostFacts(
        kernel_release=system.kernel_release(reader),
        dm_version=None,
        multipath_target=None,
        md_personalities=md.personalities,
    )
    return facts, md.arrays, (*reader.gaps, *md.gaps)


# ---- text


def _lines(facts: HostFacts, arrays: Sequence[MdArray]) -> Iterator[str]:
    ours = [array for array in arrays if array.level == MULTIPATH]
    for array in ours:
        yield from (*_array(array), "")
    if not ours:
        yield no_array_text(facts)
    others = [f"{array.name} ({array.level or array.state or 'not set up'})" for array in arrays if array not in ours]
    if others:
        yield f"not multipath, and left alone: {', '.join(others)}"


def _array(array: MdArray) -> Iterator[str]:
    working = sum(1 for member in array.members if _place(member) != "-" and not member.faulty)
    details = (
        array.state or "not set up",
        f"{working} of {array.disks} paths in use",
        size_text(array.size),
        f"metadata {array.metadata or 'none'}",
        f"UUID {array.uuid or 'not told'}",
    )
    yield f"{array.name}: {', '.join(details)}"
    rows = [_HEADER, *(_row(member) for member in array.members)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    for row in rows:
        yield "  " + "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()


def _row(member: MdMember) -> tuple[str, ...]:
    return member.name, member.dev or "gone", _place(member), _state(member), str(member.errors)


def _place(member: MdMember) -> str:
    return "-" if member.slot is None else str(member.slot)


def _state(member: MdMember) -> str:
    """The kernel's words; plain ones for the two that matter."""
    if member.faulty:
        return "failed"
    return "in use" if member.state == ("in_sync",) and member.slot is not None else ", ".join(member.state)


# ---- JSON


def _json(facts: HostFacts, arrays: Sequence[MdArray]) -> str:
    """Arrays of level multipath with the nouns' own fields, and whether this kernel can't have any."""
    document = {
        "format": "mpathctl-md",
        "version": JSON_VERSION,
        "kernel_release": facts.kernel_release,
        "md_multipath_left_the_kernel": multipath_left(facts),
        "personalities": facts.md_personalities,
        "arrays": [asdict(array) for array in arrays if array.level == MULTIPATH],
        "other_arrays": [array.name for array in arrays if array.level != MULTIPATH],
    }
    return json.dumps(document, indent=2) + "\n"
