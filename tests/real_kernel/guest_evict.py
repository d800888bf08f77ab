"""Runs in the guest, with its own Python: has the kernel put pages of files that a process has mapped out of memory.

In: process ids on the command line. Out: a line for each, how many KiB it had of files on disks and how many it still
has. Memory pressure does the same to whatever is not locked; MADV_PAGEOUT (madvise(2)) does it at once and to these
processes only. A mapping that is locked is refused, and keeps its pages.
"""

import ctypes
import os
import re
import signal
import sys

PROCESS_MADVISE = 440
MADV_PAGEOUT = 21
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ (\S+) (\d+) +(/.*)")

libc = ctypes.CDLL(None, use_errno=True)


class Extent(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def mapped_files(pid: int) -> list[Extent]:
    """Where a process has files of disks mapped."""
    with open(f"/proc/{pid}/maps") as maps:
        found = [match.groups() for line in maps if (match := MAPPING.match(line))]
    return [Extent(int(start, 16), int(end, 16) - int(start, 16)) for start, end, _, inode, _ in found if int(inode)]


def resident(pid: int) -> int:
    """KiB of files that a process has in memory."""
    with open(f"/proc/{pid}/status") as status:
        return int(dict(line.split(":", 1) for line in status)["RssFile"].split()[0])


def page_out(pid: int) -> None:
    """Of each mapping, what the kernel gives up."""
    process = os.pidfd_open(pid)
    for extent in mapped_files(pid):
        libc.syscall(PROCESS_MADVISE, process, ctypes.byref(extent), 1, MADV_PAGEOUT, 0)
    os.close(process)


def main() -> None:
    """All of them, each stopped meanwhile: a page that is used just then would be kept."""
    for pid in map(int, sys.argv[1:]):
        before = resident(pid)
        os.kill(pid, signal.SIGSTOP)
        page_out(pid)
        os.kill(pid, signal.SIGCONT)
        print(pid, before, resident(pid))


if __name__ == "__main__":
    main()
