"""Runs in the guest: how long a program takes until all multipath maps are there, and what processor time that costs.

    python3 -I guest_measure.py once|daemon MAPS PATHS COMMAND...

`once`: the command ends by itself; `daemon`: it is ended (SIGTERM) when the maps are there. Out: one line of JSON.
The maps are counted in sysfs, so that watching makes no device-mapper call. Only the guest's own Python's library.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

LIMIT = 900.0
"""Seconds after which it is given up."""

BETWEEN_LOOKS, _REST = 0.05, 4.0
"""Seconds, and how many times as long as a look takes at least: with many maps it would take a whole processor."""
TICKS = os.sysconf("SC_CLK_TCK")


def complete_maps(paths: int) -> int:
    """How many multipath maps run with that many paths."""
    count = 0
    for device in Path("/sys/block").glob("dm-*"):
        try:
            uuid = (device / "dm" / "uuid").read_text()
            running = (device / "dm" / "suspended").read_text().strip() == "0" and (
                device / "size"
            ).read_text() != "0\n"
            count += uuid.startswith("mpath-") and running and len(os.listdir(device / "slaves")) == paths
        except OSError:  # it goes while we look
            continue
    return count


def machine_seconds() -> float:
    """Processor time of the whole machine but for idling: user, nice, system, irq, softirq."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(int(fields[at]) for at in (0, 1, 2, 5, 6)) / TICKS


def process_seconds(pid: int) -> float:
    """User and system time of a process, and of its children that ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / TICKS


def until_complete(process: "subprocess.Popen[bytes]", maps: int, paths: int, began: float) -> float:
    """Seconds from the start until all maps are complete."""
    looked = time.monotonic()
    while (count := complete_maps(paths)) < maps:
        took, looked = time.monotonic() - looked, time.monotonic()
        if looked - began > LIMIT:
            used = process_seconds(process.pid)
            process.kill()
            sys.exit(f"{count} of {maps} maps after {LIMIT:g} s, in which it used {used:.0f} s of CPU")
        time.sleep(max(BETWEEN_LOOKS, _REST * took))
        looked = time.monotonic()
    return time.monotonic() - began


def main() -> None:
    kind, maps, paths, command = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    machine = machine_seconds()
    began = time.monotonic()
    with open("/tmp/measured.log", "wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    figures = {"maps": until_complete(process, maps, paths, began)}
    if kind == "daemon":
        figures["cpu"] = process_seconds(process.pid)
    else:
        _, status, usage = os.wait4(process.pid, 0)
        figures |= {"cpu": usage.ru_utime + usage.ru_stime, "status": os.waitstatus_to_exitcode(status)}
        figures["end"] = time.monotonic() - began
    subprocess.run(["udevadm", "settle", "--timeout=600"], check=True)
    figures |= {"settled": time.monotonic() - began, "machine": machine_seconds() - machine}
    if kind == "daemon":
        process.send_signal(signal.SIGTERM)
        process.wait()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
