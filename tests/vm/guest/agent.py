"""Runs in the guest: takes one JSON line after another from a virtio port, runs its script, answers with one line.

In: `{"script": TEXT, "timeout": SECONDS, "files": {PATH: TEXT}}`. Out: `{"status": N, "out": TEXT, "err": TEXT}`;
status 124 when the time ran out. Output goes to files, not to pipes, so that a daemon that a script leaves behind
does not hold the answer up. Uses only the standard library of the guest's own Python.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

PORT_NAME = "mpathctl.agent"
TIMED_OUT = 124


def port() -> Path:
    """The device of our virtio port; udev's names for it come later than we do."""
    for each in Path("/sys/class/virtio-ports").iterdir():
        if (each / "name").read_text().strip() == PORT_NAME:
            return Path("/dev") / each.name
    sys.exit(f"there is no virtio port {PORT_NAME}")


def run(script: str, timeout: float, directory: str) -> dict[str, Any]:
    """Run a script in a session of its own, and kill that session if it takes too long."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            ["/bin/bash", "-c", script], cwd=directory, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            start_new_session=True,
        )  # fmt: skip
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            status = TIMED_OUT
        return {"status": status, "out": text_of(out), "err": text_of(err)}


def text_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="surrogateescape")


def main() -> None:
    """Answer until the host closes its end."""
    directory = sys.argv[1]
    with open(port(), "r+b", buffering=0) as channel:
        channel.write(json.dumps({"ready": os.uname().release}).encode() + b"\n")
        for line in channel:
            request = json.loads(line)
            for path, text in request.get("files", {}).items():
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                Path(path).write_text(text)
            answer = run(request["script"], request["timeout"], directory)
            send(channel, json.dumps(answer).encode() + b"\n")


def send(channel: IO[bytes], data: bytes) -> None:
    """All of it: one write to a virtio port may take only a part."""
    while data:
        data = data[channel.write(data) :]


if __name__ == "__main__":
    main()
