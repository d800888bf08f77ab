"""One run of atheris over one target; `tests.fuzz` starts it in a process of its own, which the engine ends itself.

What goes wrong does not end the run: the first input of each kind (the exception, and where it was raised) is kept.
"""

import sys
import traceback
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["controller", "desired", "observers"]):
    from tests.fuzz.target import LONGEST_INPUT, Target, TookTooLong
    from tests.fuzz.targets import TARGETS

HANGS = 60
"""Seconds after which the engine ends with an input that does not come to an end."""


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


def fuzz(target: Target, *, seconds: int, keep: Path, scratch: Path) -> None:
    """Run the engine; it does not return."""
    seeds, words = scratch / "seeds", scratch / "words"
    seeds.mkdir()
    for number, seed in enumerate(target.seeds):
        (seeds / str(number)).write_bytes(seed)
    words.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in target.words))
    limits = [f"-max_len={LONGEST_INPUT}", f"-max_total_time={seconds}", f"-timeout={HANGS}", "-rss_limit_mb=3000"]
    arguments = ["tests.fuzz", str(seeds), f"-dict={words}", f"-artifact_prefix={keep}/", "-print_final_stats=1"]
    atheris.Setup([*arguments, *limits], Finds(target, keep).examine_and_keep)
    atheris.Fuzz()


if __name__ == "__main__":
    name, duration, kept, temporary = sys.argv[1:]
    fuzz(TARGETS[name], seconds=int(duration), keep=Path(kept), scratch=Path(temporary))
