"""`multipathd` as the daemon: its command line, and its way into the background.

In: the arguments, and the environment. Out: an exit status. It loads the whole daemon at its top, so it is itself
loaded only to start one.
"""

import os
import sys

from controller.cli.own_settings import OwnSettings, from_environment
from controller.client.options import Options, parse
from controller.reconcile.md import INTERVAL
from controller.runtime.cycle import Files
from controller.runtime.daemon import DaemonOptions, may_start
from controller.runtime.daemon import main as run_daemon
from observers.errors import InputError

LETTERS = "dsv:k::Bnw"
OK, FAIL = 0, 1
_STANDARD = (0, 1, 2)
_DEPRECATED = "multipathd: -n is ignored: whether WWIDs have to be known, find_multipaths says\n"


def main(arguments: list[str]) -> int:
    """Start the daemon: in the foreground with `-d`, else in the background."""
    options, _ = parse(arguments, LETTERS)
    letters = {letter for letter, _ in options}
    if os.geteuid() != 0:
        sys.stderr.write("need to be root\n")
        return FAIL
    sys.stderr.write(_DEPRECATED if "n" in letters else "")
    try:
        own = from_environment(os.environ)
    except InputError as error:
        sys.stderr.write(f"multipathd: {error}\nmultipathd: {error.hint}\n")
        return FAIL
    os.chdir("/")  # no file system is kept from being unmounted
    os.umask(os.umask(0o077) | 0o022)
    wanted = options_of(options, own)
    if "d" not in letters:
        if not may_start(wanted):
            return FAIL
        if not _in_background():
            return OK
    return run_daemon(wanted)


def options_of(options: Options, own: OwnSettings) -> DaemonOptions:
    """How the daemon is to run. `-w` chooses between two ways of multipathd to learn of events; there is one here."""
    given = dict(options)
    level = given.get("v") or ""
    digits = level[: len(level) - len(level.lstrip("0123456789"))]
    foreground = None if "d" not in given else True
    return DaemonOptions(
        files=Files(fixed_names="B" in given),
        verbosity=int(digits) if digits else None,
        stamped=False if "s" in given else foreground,
        apply_changes=own.apply_changes,
        textfile=own.textfile,
        md_interval=own.md_interval or INTERVAL,
    )


def _in_background() -> bool:
    """Leave the terminal: False in the process that was started, True in the one that goes on."""
    if os.fork():
        return False
    os.setsid()
    if os.fork():
        os._exit(OK)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in _STANDARD:
        os.dup2(null, descriptor)
    if null not in _STANDARD:
        os.close(null)
    return True
