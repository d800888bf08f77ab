"""Runs in the guest: `multipath` and `multipathd`, imported once, forked for each run that a stand-in asks for.

The stand-ins are small shell scripts with the programs' names, first in the PATH of other people's scripts; so these
run our programs by their names, with their own arguments, environment, directory, and standard streams, and no run
waits for a Python to start. In: the process id of a stand-in, a line each, on a pipe. Out: the exit status on a pipe of
the stand-in's own.
"""

import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from controller.cli import launch, multipath_program

DIRECTORY = Path("/run/mpathctl-programs")
REQUESTS = DIRECTORY / "requests"
STAND_IN = f"""\
#!/bin/bash
mkfifo "{DIRECTORY}/$$"
(echo $$ > {REQUESTS})  # by another process: this one's standard output must be what it was when it is looked at
read -r status < "{DIRECTORY}/$$"
exit "$status"
"""
END = "end"

PROGRAMS: dict[str, Callable[[], int]] = {"multipath": launch.multipath, "multipathd": launch.multipathd}


def serve() -> int:
    """Run what is asked for, until `END` comes."""
    for module in (*launch.PROGRAMS.values(), *multipath_program.JOBS.values()):
        import_module(module)
    install()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with os.fdopen(os.open(REQUESTS, os.O_RDWR), "r") as requests:  # for writing too: so it never ends by itself
        for line in requests:
            if line.strip() == END:
                break
            if os.fork() == 0:
                run(line.strip())
    return 0


def install() -> None:
    """Make the pipe and the stand-ins, these last of all."""
    DIRECTORY.mkdir()
    os.mkfifo(REQUESTS)
    for name in PROGRAMS:
        (DIRECTORY / name).write_text(STAND_IN)
        (DIRECTORY / name).chmod(0o755)


def run(stand_in: str) -> None:
    """The child: in the place of its stand-in. Does not return."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    process, status = Path("/proc") / stand_in, 1
    for number, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY | os.O_APPEND), (2, os.O_WRONLY | os.O_APPEND)):
        os.dup2(os.open(process / "fd" / str(number), mode), number)
    os.chdir(process / "cwd")
    os.environ.clear()
    os.environ.update(pair.partition("=")[::2] for pair in words(process / "environ"))
    _, program, *arguments = words(process / "cmdline")
    sys.argv = [program, *arguments]
    try:
        status = PROGRAMS[os.path.basename(program)]()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter would: the traceback goes to standard error
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        reply = DIRECTORY / stand_in
        reply.write_text(f"{status}\n")
        reply.unlink()
        os._exit(0)


def words(file: Path) -> list[str]:
    """The texts of a file of /proc that ends each with a zero byte."""
    return file.read_bytes().decode(errors="surrogateescape").split("\0")[:-1]
