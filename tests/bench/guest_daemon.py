"""Runs in the guest: what a daemon costs once it rests, and how soon it sees that a path changes.

    python3 -m tests.bench.guest_daemon MAPS PATHS REST WINDOW TIMES COMMAND...

The daemon is started over nothing; when all maps are complete and udev rests, `REST` seconds pass, until each path is
checked at its longest interval. Then its processor time in `WINDOW` seconds is taken, and `TIMES` times a path is taken
offline and brought back, and each time it is waited for dm to say so. Out: one line of JSON, and the daemon's end. Only
the guest's own Python's library.
"""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.guest_measure import LIMIT, TICKS, process_seconds, until_complete

LOOK = 0.01


def memory(pid: int, name: str) -> float:
    """A line of the process's status, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def parts(pid: int) -> dict[str, float]:
    """User and system time of a process, and what of both is its first thread's."""
    whole, first = (
        Path(place).read_text().rsplit(")", 1)[1].split()
        for place in (f"/proc/{pid}/stat", f"/proc/{pid}/task/{pid}/stat")
    )
    times = {"user": int(whole[11]), "system": int(whole[12]), "first thread": int(first[11]) + int(first[12])}
    return {name: ticks / TICKS for name, ticks in times.items()}


def dm_says(name: str, path: str, state: str) -> bool:
    """Whether a map's status has a path as active or failed."""
    text = subprocess.run(["dmsetup", "status", name], capture_output=True, text=True, check=True).stdout
    return f" {path} {state} " in text


def seconds_until(name: str, path: str, state: str) -> float:
    """How long it takes until a path is active or failed."""
    began = time.monotonic()
    while not dm_says(name, path, state):
        if time.monotonic() - began > LIMIT:
            sys.exit(f"{path} of {name} is not {state} after {LIMIT:g} s")
        time.sleep(LOOK)
    return time.monotonic() - began


def some_paths(times: int) -> list[tuple[str, str]]:
    """As many maps, spread over all, each with its last path."""
    maps = subprocess.run(["dmsetup", "ls", "--target", "multipath"], capture_output=True, text=True, check=True).stdout
    names = sorted(line.split()[0] for line in maps.splitlines())[:: max(1, len(maps.splitlines()) // times)][:times]
    found = []
    for name in names:
        status = subprocess.run(["dmsetup", "status", name], capture_output=True, text=True, check=True).stdout
        found.append((name, re.findall(r" (\d+:\d+) [AF] ", status)[-1]))
    return found


def latencies(times: int) -> dict[str, list[float]]:
    """Seconds from a change of a path's state in sysfs until dm says so."""
    offline, running = [], []
    for name, path in some_paths(times):
        state = Path(f"/sys/dev/block/{path}/device/state")
        state.write_text("offline\n")
        offline.append(seconds_until(name, path, "F"))
        state.write_text("running\n")
        running.append(seconds_until(name, path, "A"))
    return {"offline": offline, "running": running}


def main() -> None:
    maps, paths, rest, window, times = map(int, sys.argv[1:6])
    began = time.monotonic()
    with open("/tmp/measured.log", "wb") as log:
        process = subprocess.Popen(sys.argv[6:], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    figures: dict[str, object] = {"maps": until_complete(process, maps, paths, began)}
    subprocess.run(["udevadm", "settle", "--timeout=600"], check=True)
    figures |= {"start": process_seconds(process.pid), "settled": time.monotonic() - began}
    time.sleep(rest)
    before, at = parts(process.pid), time.monotonic()
    time.sleep(window)
    minutes = (time.monotonic() - at) / 60
    figures["rest"] = {name: (seconds - before[name]) / minutes for name, seconds in parts(process.pid).items()}
    figures |= {"resident": memory(process.pid, "VmRSS"), "locked": memory(process.pid, "VmLck")}
    figures |= latencies(times)
    process.send_signal(signal.SIGTERM)
    process.wait()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
