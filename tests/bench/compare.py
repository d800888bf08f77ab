"""What benchmarks have in common: measuring this checkout and another one in turn, each in a process of its own.

A benchmark is a module with a `main` that prints its figures as one JSON object when it is called with `--one CASE`.
The other checkout is asked by the same module name, so it must have that benchmark, too.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def arguments(description: str | None, *, repeat: int, case: str) -> argparse.ArgumentParser:
    """The arguments that all benchmarks have. `case`: what `--one` takes, for the help text."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=repeat)
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout of this project")
    parser.add_argument("--one", metavar=case, help="measure one case, print JSON")
    return parser


def figures(module: str, case: str, options: argparse.Namespace) -> Iterator[tuple[str, dict[str, float]]]:
    """Whose figures, and the figures: ours, and right after them the other checkout's, if one is given."""
    yield "ours", _measured(REPOSITORY, module, case, options.repeat)
    if options.against:
        yield "theirs", _measured(options.against.resolve(), module, case, options.repeat)


def _measured(directory: Path, module: str, case: str, repeat: int) -> dict[str, float]:
    environment = {**os.environ, "PYTHONPATH": str(directory)}
    command = [sys.executable, "-m", module, "--one", case, "--repeat", str(repeat)]
    done = subprocess.run(command, cwd=directory, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{directory}: {module} ended with exit status {done.returncode}")
    result: dict[str, float] = json.loads(done.stdout)
    return result
