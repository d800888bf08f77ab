"""Runs in the guest: a Python that has imported a program once, and forks for every run of it.

Starting Python and importing takes seconds here, where every instruction is emulated, and is the same each time. In:
`{"words": [...], "out": PATH, "err": PATH}` lines on standard input. Out: a line with the exit status for each. The
program is named `module:function` on the command line; it gets its words by `sys.argv`, and its two outputs are files.
With `"stay": true` it is left behind, as nobody's child, and the answer is 0 at once.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable


def run(program: Callable[[], int], words: list[str], out: str, err: str, *, stay: bool = False) -> int:
    """Fork, run, wait: the exit status, or 128 and the signal's number."""
    child = os.fork()
    if child == 0:
        if stay:
            os.setsid()
            if os.fork():  # a child of ours that ends would stay a zombie, and seem to run
                os._exit(0)
        become(program, words, out, err)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def become(program: Callable[[], int], words: list[str], out: str, err: str) -> None:
    """The child: as if it had been started with these words. Does not return."""
    for number, path in ((0, "/dev/null"), (1, out), (2, err)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
    sys.argv = words
    status: int | str | None = 1
    try:
        status = program()
    except SystemExit as ended:
        status = ended.code
    except BaseException:  # noqa: BLE001 - as the interpreter would: the traceback goes to standard error
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else int(status is not None))


def main() -> None:
    """Serve until standard input ends."""
    module, _, function = sys.argv[1].partition(":")
    program: Callable[[], int] = getattr(importlib.import_module(module), function)
    print("ready", flush=True)
    for line in sys.stdin:
        print(run(program, **json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
