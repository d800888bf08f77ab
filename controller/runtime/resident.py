"""What makes a process able to serve the disk that it was started from: everything it needs is in memory, and stays.

Theory of operation. When all paths of the root disk are dead, whatever page of a program or library is not in memory
can't be read, and whoever touches it waits for the very paths that it should bring back. So before the service begins:
one malloc arena and small thread stacks (else mlockall would lock hundreds of MiB), everything imported that any branch
may need, lazily loaded parts of the standard library touched once, and then all memory locked, also what comes later.
Where the kernel itself needs memory for us, it must not look for it by writing to that disk (PR_SET_IO_FLUSHER).

In: the process. Out: nothing. It must be called before threads are started; `lock` after they are.
"""

import codecs
import errno
import gc
import os
import resource
import sys
import threading
import warnings
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import TextIO

from controller.runtime.workers import STACK_SIZE
from observers.kernel.process import (
    M_ARENA_MAX,
    M_MMAP_THRESHOLD,
    MCL_CURRENT,
    MCL_FUTURE,
    mallopt,
    mlockall,
    set_io_flusher,
    set_name,
)

LARGE = 128 * 1024
"""Bytes from which on a piece of memory has a mapping of its own, which goes back to the system with it. Left alone,
malloc puts also such pieces on the heap once it has seen some, which then grows to their peak, is locked, and stays."""

_MOST_FILES = "/proc/sys/fs/nr_open"
_SCORE = "/proc/self/oom_score_adj"
_NEVER = "-1000"
"""OOM_SCORE_ADJ_MIN: the kernel does not end this process for memory, as then nobody would bring back its disk."""

_HELD = 0.0001
"""Seconds after which a thread that has the interpreter lets go of it for others: while a worker parses a configuration
it gets it at each system call of the first thread, of which a client's question takes eight."""

_CODECS = ("utf-8", "ascii", "latin-1", "unicode_escape")


def prepare(name: str) -> None:
    """At the very beginning: allocator, stacks, process name, place, mask. Garbage is collected by `tidying` then."""
    mallopt(M_ARENA_MAX, 1)
    mallopt(M_MMAP_THRESHOLD, LARGE)
    threading.stack_size(STACK_SIZE)
    set_name(name)
    set_io_flusher()
    os.chdir("/")
    os.umask(os.umask(0o022) | 0o022)
    gc.disable()
    sys.setswitchinterval(_HELD)


def touch() -> None:
    """Load what Python itself loads only when it is first used."""
    for codec in _CODECS:
        codecs.lookup(codec)
    "".encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    for code in errno.errorcode:
        os.strerror(code)
    sys.excepthook = told_without_sources
    threading.excepthook = _told_by_thread
    sys.unraisablehook = _told_unraisable  # the usual one prints the lines of the source, as does that of warnings
    warnings.showwarning = _told_warning


def lock() -> None:
    """Lock all memory, also what is mapped later. `OSError` without the right to."""
    gc.collect()
    gc.freeze()
    mlockall(MCL_CURRENT | MCL_FUTURE)


def spare_from_oom_killer() -> None:
    """As multipathd does, unless the service manager decided (OOMScoreAdjust= is then in force already)."""
    if "OOMScoreAdjust" in os.environ:
        return
    with suppress(OSError), open(_SCORE, "w", encoding="ascii") as score:
        score.write(_NEVER)


def limit_descriptors(count: int | None, environment: Mapping[str, str]) -> None:
    """Set how many files may be open: `max_fds` of multipath.conf(5), None: as many as the kernel allows any process;
    0: that stays as it is, as it does when the service manager says how many (LimitNOFILE in the environment)."""
    if "LimitNOFILE" in environment or count == 0:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _most_descriptors(hard) if count is None else count
    for limits in ((wanted, max(hard, wanted)), (min(wanted, hard), hard)):
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            return


def _most_descriptors(hard: int) -> int:
    try:
        with open(_MOST_FILES, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return hard


def schedule_first() -> None:
    """The real-time priority that RLIMIT_RTPRIO allows, if any, as multipathd takes it (SCHED_RR)."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
    highest = os.sched_get_priority_max(os.SCHED_RR)
    priority = highest if allowed == resource.RLIM_INFINITY else min(allowed, highest)
    if priority > 0:
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(priority))


def told_without_sources(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Say what went wrong and where, without opening a source file, which may lie on a dead disk."""
    places = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f"  {code.co_filename}:{traceback.tb_lineno}:{code.co_name}")
        traceback = traceback.tb_next
    with suppress(OSError, ValueError):
        sys.stderr.write("\n".join([*places, f"{kind.__name__}: {error}", ""]))


def _told_by_thread(arguments: "threading.ExceptHookArgs") -> None:
    if arguments.exc_value is not None:
        told_without_sources(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)


def _told_unraisable(arguments: "sys.UnraisableHookArgs") -> None:
    if arguments.exc_value is not None:
        told_without_sources(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)


def _told_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None,
    line: str | None = None,
) -> None:  # fmt: skip
    """As `warnings.showwarning` is called; the source line is not looked up."""
    with suppress(OSError, ValueError):
        (file or sys.stderr).write(f"{filename}:{lineno}: {category.__name__}: {message}{line or ''}\n")
