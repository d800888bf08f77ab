"""What either program would start a daemon with, which is not started."""

import pytest

from controller.cli import daemon_entry, run_program
from controller.runtime.daemon import DaemonOptions


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[DaemonOptions]:
    """The daemons that would have been started, by either program."""
    found: list[DaemonOptions] = []

    def main(options: DaemonOptions) -> int:
        found.append(options)
        return 0

    monkeypatch.setattr(run_program, "main", main)
    monkeypatch.setattr(daemon_entry, "run_daemon", main)
    return found
