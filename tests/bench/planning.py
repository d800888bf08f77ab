"""How long deriving and planning take, from 250 to 16,000 paths. Not a timed test: it prints, and nothing fails.

Method: a snapshot of N maps x 4 paths (half of the maps exist as desired, the other half do not) is built in memory;
`derive_snapshot` and `plan` are then run on it `--repeat` times in this process, garbage collection as in production;
the figure is the smallest of the sums, and the median beside it. With `--against DIR`, another checkout of the project
is measured with the same snapshots in turn with this one, in the same minutes: compare the columns, not the clock.
"""

import json
import statistics
import time

from controller.reconcile import safety
from controller.reconcile.plan import Memory
from controller.reconcile.planner import plan
from desired.derive import derive_snapshot
from observers.snapshot_json import from_json, to_json
from tests.bench import compare
from tests.builders import san_snapshot

SIZES = (250, 1000, 4000, 16000)
PATHS_PER_MAP = 4


def measure(paths: int, repeat: int) -> dict[str, float]:
    """Seconds of each phase, the quickest of all repetitions, and the median of the whole."""
    snapshot = san_snapshot(paths // PATHS_PER_MAP, PATHS_PER_MAP)
    text = to_json(snapshot)
    rounds: list[dict[str, float]] = []
    for _ in range(repeat):
        begin = time.perf_counter()
        desired = derive_snapshot(snapshot, resident=True)
        derived = time.perf_counter()
        wanted, _memory = plan(snapshot, desired, Memory(), 0.0)
        planned = time.perf_counter()
        safety.check(wanted, snapshot, desired)
        checked = time.perf_counter()
        from_json(text, origin="benchmark")
        read = time.perf_counter()
        rounds.append(
            {
                "derive": derived - begin,
                "plan": planned - derived,
                "check": checked - planned,
                "read JSON": read - checked,
            }
        )
    best = {phase: min(each[phase] for each in rounds) for phase in rounds[0]}
    whole = [each["derive"] + each["plan"] for each in rounds]
    return {"derive + plan": min(whole), "median": statistics.median(whole), **best}


def main() -> None:
    """Print a table, a row per size."""
    options = compare.arguments(__doc__, repeat=5, case="PATHS").parse_args()
    if options.one:
        print(json.dumps(measure(int(options.one), options.repeat)))
        return
    columns = ("derive + plan", "median", "derive", "plan", "check", "read JSON")
    print(f"{'paths':>6} {'whose':>6} " + " ".join(f"{name:>13}" for name in columns) + "  µs a path (derive + plan)")
    for paths in SIZES:
        for whose, row in compare.figures("tests.bench.planning", str(paths), options):
            figures = " ".join(f"{row[name]:>11.3f} s" for name in columns)
            print(f"{paths:>6} {whose:>6} {figures}  {row['derive + plan'] / paths * 1e6:.0f}")


if __name__ == "__main__":
    main()
