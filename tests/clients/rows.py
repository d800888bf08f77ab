"""What other programs run, and how they understand what they get: a row each, for a sandbox and a real kernel alike.

In: what a program prints (`Said`) and what is so (`Truth`), which is never taken from the program. A row's check is
written as its client reads: the client's own expressions, its own way to split. Only such rules are taken from them.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TruePath:
    """A path: its device's name, number (`8:0`) and address (`0:0:0:0`)."""

    name: str
    number: str
    address: str


@dataclass(frozen=True, slots=True)
class TrueMap:
    """A map with its paths. `node`: the kernel's name of it, `dm-0`."""

    name: str
    wwid: str
    node: str
    paths: tuple[TruePath, ...]

    @property
    def disks(self) -> list[str]:
        """The names of its paths, in order."""
        return sorted(path.name for path in self.paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A host with three maps: one to look at, which has an alias, one to change, one to remove and make again."""

    seen: TrueMap
    changed: TrueMap
    removed: TrueMap
    pid: int

    @property
    def maps(self) -> tuple[TrueMap, ...]:
        """All of them."""
        return self.seen, self.changed, self.removed

    @property
    def paths(self) -> list[TruePath]:
        """Those of all maps."""
        return [path for each in self.maps for path in each.paths]

    def environment(self) -> dict[str, str]:
        """What scripts are told: $MAP, $WWID, $DM (its node), $DISK (a path), $DISKS; with 2 and 3 the others'."""
        found: dict[str, str] = {}
        for each, number in zip(self.maps, ("", "2", "3"), strict=True):
            found |= {f"MAP{number}": each.name, f"WWID{number}": each.wwid, f"DM{number}": each.node}
            found |= {f"DISK{number}": each.disks[0], f"DISKS{number}": " ".join(each.disks)}
        return found


@dataclass(frozen=True, slots=True)
class Said:
    """What came of a script: of the client's commands, then of those before it and after it, which are the test's."""

    status: int
    out: str
    err: str
    before: str
    after: str

    @property
    def lines(self) -> list[str]:
        """Of its output."""
        return self.out.splitlines()


Check = Callable[[Said, Truth], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A client's commands, as a shell script, and its way to understand them.

    `kernel`: it needs more than the daemon's socket. `changes`: it changes something, so it runs alone, after those
    that only look. `before`, `after`: what the test does around it; `after` must leave all as it was.
    """

    name: str
    script: str
    check: Check
    kernel: bool
    changes: bool
    before: str
    after: str


ROWS: list[Row] = []


def row(
    name: str, script: str, *, kernel: bool = False, changes: bool = False, before: str = "", after: str = ""
) -> Callable[[Check], Check]:
    """Makes a check a row."""

    def add(check: Check) -> Check:
        ROWS.append(
            Row(name=name, script=script, check=check, kernel=kernel, changes=changes, before=before, after=after)
        )
        return check

    return add


# ---- all scripts in one, because each round trip to a guest costs

_PRELUDE = """\
node() { basename "$(readlink "/dev/mapper/$1")"; }
until_so() { local tries=0; until "$@" > /dev/null 2>&1; do ((++tries < 200)) || return 1; sleep 0.1; done; }
state_of_paths() { local state=$1 each; shift; for each; do echo "$state" > "/sys/block/$each/device/state"; done; }
fails() { until_so eval "dmsetup status --noflush '$1' | grep -q ' F '"; }
works() { until_so eval "! dmsetup status --noflush '$1' | grep -q ' F '"; }
made_again() {
  multipathd add map "$WWID3"
  until_so test -b "/dev/mapper/$MAP3"
  udevadm settle --timeout=60 2> /dev/null || :
}
"""

_COLLECT = """\
import json, pathlib, sys
said = {}
for each in pathlib.Path(sys.argv[1]).iterdir():
    number, _, kind = each.name.partition(".")
    said.setdefault(number, {})[kind] = each.read_text(errors="surrogateescape")
print(json.dumps(said))
"""

STREAMS = 2
"""How many of those that only look run at once."""


def batch(rows: Sequence[Row], directory: str) -> str:
    """A shell script that runs those of all rows, in a new directory, and keeps there what they say."""
    looking = [(number, each) for number, each in enumerate(rows) if not each.changes]
    changing = [(number, each) for number, each in enumerate(rows) if each.changes]
    streams = [looking[start::STREAMS] for start in range(STREAMS)]
    parts = [f"{{ {''.join(_run(*each) for each in stream)}:\n}} &\n" for stream in streams]
    runs = "".join(parts) + "wait\n" + "".join(_run(*each) for each in changing)
    return f"{_PRELUDE}mkdir -p {directory}; cd {directory} || exit\n{runs}"


def collect(directory: str) -> str:
    """A shell script that prints what those of `batch` said, as JSON."""
    return f"python3 -I -c '{_COLLECT}' {directory}\n"


def _run(number: int, row: Row) -> str:
    """Output is appended: a program that opens it anew writes at its end, too."""
    return (
        f"(\n{row.before or ':'}\n) >> {number}.before 2>&1 < /dev/null\n"
        f"(\n{row.script}\n) >> {number}.out 2>> {number}.err < /dev/null\necho $? > {number}.status\n"
        f"(\n{row.after or ':'}\n) >> {number}.after 2>&1 < /dev/null\n"
    )


NOT_RUN = -1
"""The exit status of what did not end in time."""


def understood(rows: Sequence[Row], printed: str) -> dict[str, Said]:
    """What `batch` printed, by the rows' names."""
    said = json.loads(printed)
    found = {}
    for number, each in enumerate(rows):
        parts = said.get(str(number), {})
        texts = (parts.get(kind, "") for kind in ("out", "err", "before", "after"))
        found[each.name] = Said(int(parts.get("status", NOT_RUN)), *texts)
    return found
