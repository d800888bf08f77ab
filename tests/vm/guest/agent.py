"""Runs in the guest: takes one JSON line after another from a virtio port, does what it says, answers with one line.

In: `{"timeout": SECONDS, "files": {PATH: TEXT}}` with either `"script": TEXT`, for bash, or `"program":
"MODULE:FUNCTION", "python": PATH, "words": [...]`, for `preloaded.py`; with `"log": PATH` that is left behind, and its
output goes there. Out: `{"status": N, "out": TEXT, "err": TEXT}`; status 124 when the time ran out. Output goes to
files, not to pipes, so that a daemon that a script leaves behind does not hold the answer up. Uses only the standard
library of the guest's own Python.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

PORT_NAME = "mpathctl.agent"
TIMED_OUT = 124
PRELOADED = Path(__file__).with_name("preloaded.py")


def port() -> Path:
    """The device of our virtio port; udev's names for it come later than we do."""
    for each in Path("/sys/class/virtio-ports").iterdir():
        if (each / "name").read_text().strip() == PORT_NAME:
            return Path("/dev") / each.name
    sys.exit(f"there is no virtio port {PORT_NAME}")


class Preloaded:
    """The programs that wait, imported, for their next run."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._waiting: dict[str, subprocess.Popen[str]] = {}

    def run(self, request: dict[str, Any], out: str, err: str) -> int:
        """Run one; its exit status."""
        program = request["program"]
        process = self._waiting.pop(program, None) or self._start(request["python"], program)
        assert process.stdin is not None
        log = request.get("log")
        line = json.dumps({"words": request["words"], "out": log or out, "err": log or err, "stay": log is not None})
        process.stdin.write(line + "\n")
        process.stdin.flush()
        answer = self._answer(process, request["timeout"])
        if answer is None:
            return TIMED_OUT
        self._waiting[program] = process
        return int(answer)

    def _start(self, python: str, program: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [python, str(PRELOADED), program], cwd=self._directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            sys.exit(f"{program} can't be imported")
        return process

    def _answer(self, process: "subprocess.Popen[str]", timeout: float) -> str | None:
        """The next line; None, and the whole session is killed, when it takes too long."""
        assert process.stdout is not None
        if select.select([process.stdout], [], [], timeout)[0]:
            return process.stdout.readline()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None


def run_script(request: dict[str, Any], directory: str, out: IO[bytes], err: IO[bytes]) -> int:
    """Run a script in a session of its own, and kill that session if it takes too long."""
    process = subprocess.Popen(
        ["/bin/bash", "-c", request["script"]], cwd=directory, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
        start_new_session=True,
    )  # fmt: skip
    try:
        return process.wait(request["timeout"])
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return TIMED_OUT


def serve(request: dict[str, Any], directory: str, preloaded: Preloaded) -> dict[str, Any]:
    """Write the files, run what is asked for, and collect what it said."""
    for path, text in request.get("files", {}).items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        if "script" in request:
            status = run_script(request, directory, out, err)
        else:
            status = preloaded.run(request, out.name, err.name)
        return {"status": status, "out": text_of(out), "err": text_of(err)}


def text_of(file: IO[bytes]) -> str:
    """All of a file."""
    file.seek(0)
    return file.read().decode(errors="surrogateescape")


def main() -> None:
    """Answer until the host closes its end."""
    directory = sys.argv[1]
    preloaded = Preloaded(directory)
    with open(port(), "r+b", buffering=0) as channel:
        send(channel, json.dumps({"ready": os.uname().release}).encode() + b"\n")
        for line in channel:
            answer = serve(json.loads(line), directory, preloaded)
            send(channel, json.dumps(answer).encode() + b"\n")


def send(channel: IO[bytes], data: bytes) -> None:
    """All of it: one write to a virtio port may take only a part."""
    while data:
        data = data[channel.write(data) :]


if __name__ == "__main__":
    main()
