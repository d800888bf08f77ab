"""How long reading the configuration and resolving properties take. Not a timed test: it prints, and nothing fails.

Method: processor time of this one thread (`time.process_time`), so that other programs on the machine matter little;
each row is measured in a process of its own. `first` is the first time in that process, when no expression is compiled
and the built-in table is not yet made into entries; `best` and `median` are of `--repeat` more times, each with a fresh
`Config` (so nothing is remembered of the time before but compiled expressions). With `--against DIR`, another checkout
is measured in turn with this one: compare the columns, not the clock.

* load: the built-in table, a main file of 2,000 lines, and 50 drop-ins of 12 lines: parsed and merged.
* check: the same files as `check-config` reads them, with all messages ranked.
* resolve: every keyword that is a property (all layers looked through, with origins), for 4,000 paths of 1,000 maps on
  40 kinds of devices, under that configuration.
* profiles: the same paths with what stands above precedence (autodetection, features, handlers), as deriving does it.
"""

import json
import statistics
import time
from collections.abc import Callable

from desired.config import MAIN_FILE, check_files, load_config
from desired.hwtable import ARRAYS
from desired.map_selection import Platform, map_profile, map_traits
from desired.options import GRAMMAR
from desired.precedence import DeviceKind, settings_for
from desired.selection import path_profile, traits_of
from observers.snapshot import Bus, TextFile
from tests.bench import compare
from tests.builders import HOST, san_snapshot, unit_wwid

LINES = 2000
DROP_INS = 50
PATHS, PATHS_PER_MAP, KINDS = 4000, 4, 40
GOALS = {"load": 0.150, "check": None, "resolve": 0.300, "profiles": None}
"""Seconds."""

_DEFAULTS = """defaults {
	polling_interval 10
	max_polling_interval 40
	user_friendly_names yes
	find_multipaths greedy
	path_selector "service-time 0"
	no_path_retry 12
	failback immediate
	dev_loss_tmo 600
	fast_io_fail_tmo 5
	flush_on_last_del unused
}
"""


def main_file() -> str:
    """A file of exactly `LINES` lines: defaults, rules, devices, and as many maps with entries of their own as fit."""
    parts = [_DEFAULTS, "blacklist {\n", *(f'\tdevnode "^(ram|loop|fd){number}[0-9]*$"\n' for number in range(60))]
    parts += [*(f"\twwid 3600508b4000{number:04x}[0-9a-f]+\n" for number in range(40)), "}\n", "devices {\n"]
    parts += [_device(f"VENDOR{number}", f"(LUN|Disk).*{number}") for number in range(50)]
    parts += ["}\n", "multipaths {\n"]
    left = LINES - "".join(parts).count("\n") - 1
    whole, rest = divmod(left, 6)
    parts += [_map(number) for number in range(whole)]
    return "".join([*parts, "}\n", *("# the end\n" for _ in range(rest))])


def _device(vendor: str, product: str) -> str:
    lines = (
        f'vendor "{vendor}"', f'product "{product}"', "path_grouping_policy group_by_prio", "prio alua",
        "failback immediate", "no_path_retry queue", 'features "1 queue_if_no_path"', "fast_io_fail_tmo 10",
    )  # fmt: skip
    return "\tdevice {\n" + "".join(f"\t\t{line}\n" for line in lines) + "\t}\n"


def _map(number: int) -> str:
    return (
        f"\tmultipath {{\n\t\twwid {unit_wwid(number)}\n\t\talias map{number}\n"
        f'\t\tno_path_retry {number % 20 + 1}\n\t\tpath_selector "queue-length 0"\n\t}}\n'
    )


def drop_in(number: int) -> str:
    """A drop-in: one device entry and a rule on it."""
    return f"devices {{\n{_device(f'DROP{number}', 'LUN')}}}\n"


def files() -> tuple[TextFile, ...]:
    """All files of the configuration."""
    rest = (TextFile(f"/etc/multipath/conf.d/{number:02}.conf", drop_in(number)) for number in range(DROP_INS))
    return (TextFile(MAIN_FILE, main_file()), *rest)


def kinds() -> tuple[DeviceKind, ...]:
    """Devices of the first arrays of the built-in table; their expressions, read as plain names, still differ."""
    return tuple(
        DeviceKind(array.vendor.strip("^$()"), array.product.strip("^$()"), "1.0", "scsi:fcp", Bus.SCSI)
        for array in ARRAYS[:KINDS]
    )


def _resolver(texts: tuple[TextFile, ...]) -> Callable[[], object]:
    config, devices = load_config(texts), kinds()
    options = list({row.key: row for rows in GRAMMAR.values() for row in rows.values() if row.layers}.values())

    def resolve() -> int:
        found = 0
        for path in range(PATHS):
            unit = path // PATHS_PER_MAP
            layers = settings_for(config, devices[unit % len(devices)], unit_wwid(unit))
            found += sum(layers.lookup(option) is not None for option in options)
        return found

    return resolve


def _profiler(texts: tuple[TextFile, ...]) -> Callable[[], object]:
    config, devices = load_config(texts), kinds()
    platform = Platform.of(HOST, watched=True)
    paths = san_snapshot(PATHS // PATHS_PER_MAP, PATHS_PER_MAP, existing=0, wwids=False).paths

    def profile() -> int:
        for unit in range(PATHS // PATHS_PER_MAP):
            layers = settings_for(config, devices[unit % len(devices)], unit_wwid(unit))
            members = paths[unit * PATHS_PER_MAP : (unit + 1) * PATHS_PER_MAP]
            profiles = [path_profile(layers, traits_of(path)) for path in members]
            map_profile(layers, map_traits(members, profiles, loaded=None), platform)
        return len(paths)

    return profile


def _prepared(case: str) -> Callable[[], Callable[[], object]]:
    """What makes a fresh run of a case; only the run is measured."""
    texts = files()
    match case:
        case "load":
            return lambda: lambda: load_config(texts)
        case "check":
            return lambda: lambda: check_files(texts)
        case "resolve":
            return lambda: _resolver(texts)
        case "profiles":
            return lambda: _profiler(texts)
        case _:
            raise ValueError(case)


def measure(case: str, repeat: int) -> dict[str, float]:
    """Seconds of processor time: the first run, and the best and the median of the others."""
    prepare = _prepared(case)
    spent = []
    for _ in range(repeat + 1):
        run = prepare()
        begin = time.process_time()
        run()
        spent.append(time.process_time() - begin)
    return {"first": spent[0], "best": min(spent[1:]), "median": statistics.median(spent[1:])}


def main() -> None:
    """Print a table, a row per case."""
    options = compare.arguments(__doc__, repeat=9, case="CASE").parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.repeat)))
        return
    print(f"{'case':<9} {'whose':>6} {'first':>9} {'best':>9} {'median':>9} {'goal':>9}")
    for case, goal in GOALS.items():
        for whose, row in compare.figures("tests.bench.configuration", case, options):
            numbers = " ".join(f"{row[name] * 1000:>6.1f} ms" for name in ("first", "best", "median"))
            print(f"{case:<9} {whose:>6} {numbers} {f'{goal * 1000:.0f} ms' if goal else '':>9}", flush=True)


if __name__ == "__main__":
    main()
