"""Fuzzing by coverage, with atheris: `python -m tests.fuzz TARGET --minutes 10`.

atheris is no dependency of the project: it has wheels only for Linux on x86-64 and CPython up to 3.13, and nothing else
needs it. Install it where you run this (`pip install atheris`). What goes wrong does not end the run: the first input
of each kind (the exception, and where it was raised) is kept in `--keep`, and told at the end with exit status 1. An
input that took longer than the bound counts only when it does so again at the end, without the instrumentation.
"""

import argparse
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["controller", "desired", "observers"]):
    from tests.fuzz.targets import LONGEST_INPUT, TARGETS, Target, TookTooLong


class Finds:
    """The inputs that went wrong, the first of each kind, as files."""

    def __init__(self, target: Target, directory: Path) -> None:
        self.examine, self.directory = target.examine, directory
        self.known: set[str] = set()

    def examine_and_keep(self, data: bytes) -> None:
        """Feed one input."""
        try:
            self.examine(data)
        except TookTooLong as error:
            self._keep(f"slow-{error.reader}", data)
        except Exception as error:  # noqa: BLE001 - every exception that gets here is a find
            innermost = traceback.extract_tb(error.__traceback__)[-1]
            self._keep(f"{type(error).__name__}-{Path(innermost.filename).stem}-{innermost.name}", data)

    def _keep(self, kind: str, data: bytes) -> None:
        if kind not in self.known:
            self.known.add(kind)
            (self.directory / kind).write_bytes(data)


def _again(target: Target, file: Path) -> str:
    """What goes wrong with a kept input; empty: nothing does."""
    try:
        target.examine(file.read_bytes())
    except Exception:  # noqa: BLE001 - as above
        return traceback.format_exc()
    return ""


def _fuzz(options: argparse.Namespace, scratch: Path) -> None:
    target: Target = TARGETS[options.target]
    seeds = scratch / "seeds"
    seeds.mkdir()
    for number, seed in enumerate(target.seeds):
        (seeds / str(number)).write_bytes(seed)
    words = scratch / "words"
    words.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in target.words))
    arguments = [
        *(
            "tests.fuzz",
            str(seeds),
            f"-dict={words}",
            f"-max_len={LONGEST_INPUT}",
            "-rss_limit_mb=3000",
            "-timeout=120",
        ),
        *(f"-max_total_time={options.minutes * 60:.0f}", f"-artifact_prefix={options.keep}/", "-print_final_stats=1"),
    ]
    atheris.Setup(arguments, Finds(target, options.keep).examine_and_keep)
    atheris.Fuzz()


def main() -> int:
    """Fuzz one target. The library ends the process itself, so it gets one of its own."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--keep", type=Path, default=None, help="where inputs are kept (default: a new directory)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.keep = options.keep or Path(tempfile.mkdtemp(prefix="mpathctl-fuzz."))
    options.keep.mkdir(parents=True, exist_ok=True)
    if options.here:
        with tempfile.TemporaryDirectory() as scratch:
            _fuzz(options, Path(scratch))
    limits = ["--minutes", str(options.minutes), "--keep", str(options.keep)]
    subprocess.run([sys.executable, "-m", "tests.fuzz", options.target, *limits, "--here"], check=False)
    defects = {file: _again(TARGETS[options.target], file) for file in sorted(options.keep.iterdir())}
    for file, trouble in defects.items():
        print(f"{file}: {trouble or 'nothing goes wrong any more'}")
    return int(any(defects.values()))


if __name__ == "__main__":
    sys.exit(main())
