"""How long a client command takes, beside an interpreter that does nothing. Not a timed test: it prints.

Method: `multipathd show daemon` is started by its installed launcher (the shebang and all), `--repeat` times in turn
with `PYTHON -I -c pass` of the same interpreter; a stub in this process answers on a socket. The figures are the
medians, and the ratio of these, for which the goal is 1.5 at most.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.install import base_python
from tests.bench.compare import REPOSITORY
from tests.client.stub import stub


def launcher(directory: Path, python: str) -> Path:
    """The launcher of `multipathd` over this checkout, as `make install` writes it."""
    text = (REPOSITORY / "deploy/launcher.in").read_text()
    fields = {"PYTHON": python, "NAME": "multipathd", "MODULE": "controller.cli.launch", "FUNCTION": "multipathd"}
    for field, value in fields.items():
        text = text.replace(f"@{field}@", value)
    (directory / "bin").mkdir()
    (directory / "lib").symlink_to(REPOSITORY)
    program = directory / "bin/multipathd"
    program.write_text(text)
    program.chmod(0o755)
    return program


def seconds(command: Sequence[str | Path], environment: dict[str, str]) -> float:
    """The wall time of one run."""
    begin = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def measure(repeat: int, python: str) -> tuple[float, float]:
    """The medians: of the client command, and of the interpreter alone."""
    with tempfile.TemporaryDirectory() as directory, stub(lambda _: "pid 1 idle\n") as server:
        program = launcher(Path(directory), python)
        environment = {"MULTIPATH_SOCKET_NAME": server.name, "PATH": os.environ["PATH"]}
        client: list[str | Path] = [program, "show", "daemon"]
        bare: list[str | Path] = [python, "-I", "-c", "pass"]
        seconds(client, environment)  # the first run may compile
        pairs = [(seconds(client, environment), seconds(bare, environment)) for _ in range(repeat)]
    return statistics.median(one for one, _ in pairs), statistics.median(other for _, other in pairs)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=100)
    parser.add_argument("--python", default=base_python(), help="default: %(default)s")
    options = parser.parse_args()
    client, bare = measure(options.repeat, options.python)
    print(f"multipathd show daemon {client * 1e3:6.1f} ms")
    print(f"python -I -c pass      {bare * 1e3:6.1f} ms")
    print(f"ratio                  {client / bare:6.2f}")


if __name__ == "__main__":
    main()
