"""Fuzzing by coverage, with atheris: `python -m tests.fuzz TARGET --minutes 10`.

atheris is no dependency of the project: it has wheels for Linux on x86-64 only, and nothing else needs it. Install it
where you run this (`pip install atheris`). Inputs that go wrong are kept in `--keep`, the first of each kind. At
the end each is examined again, without the engine, and what still goes wrong is told with exit status 1: an input that
was only slow because of the engine does not count.
"""

import argparse
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.target import LONGEST_INPUT
from tests.fuzz.targets import TARGETS

HANGS = 60
"""Seconds after which an input counts as one that never comes to an end."""


def _again(target: str, file: Path) -> str:
    """What goes wrong with a kept input; empty: nothing does."""
    command = [sys.executable, "-m", "tests.fuzz", target, "--again", str(file)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANGS)
    except subprocess.TimeoutExpired:
        return f"takes more than {HANGS} s"
    return done.stderr if done.returncode else ""


def main() -> int:
    """Fuzz one target, or examine one input."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where inputs are kept (default: a new directory)")
    parser.add_argument("--again", type=Path, metavar="FILE", help="only examine this input")
    options = parser.parse_args()
    if options.again:
        TARGETS[options.target].examine(options.again.read_bytes()[:LONGEST_INPUT])
        return 0
    if find_spec("atheris") is None:
        parser.error("atheris is not installed here: pip install atheris")
    keep = options.keep or Path(tempfile.mkdtemp(prefix="mpathctl-fuzz."))
    keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = [options.target, str(round(options.minutes * 60)), str(keep), scratch]
        subprocess.run([sys.executable, "-m", "tests.fuzz.engine", *arguments], check=False)
    trouble = {file: _again(options.target, file) for file in sorted(keep.iterdir()) if file.is_file()}
    for file, what in trouble.items():
        print(f"{file}: {what or 'nothing goes wrong any more'}")
    return int(any(trouble.values()))


if __name__ == "__main__":
    sys.exit(main())
