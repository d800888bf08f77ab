"""`mpathctl run`: what its options make of the daemon."""

import pytest

from controller.cli.main import main as mpathctl
from controller.runtime.daemon import DaemonOptions
from tests.programs.starts import started as started


def test_changes_of_the_configuration_wait_unless_told_otherwise(started: list[DaemonOptions]) -> None:
    assert mpathctl(["run"]) == mpathctl(["run", "--apply-config-changes"]) == 0
    assert [options.apply_changes for options in started] == [False, True]


def test_metrics_are_written_only_where_they_are_wanted(started: list[DaemonOptions]) -> None:
    assert mpathctl(["run"]) == mpathctl(["run", "--textfile", "/var/x.prom"]) == 0
    assert [options.textfile for options in started] == [None, "/var/x.prom"]


@pytest.mark.parametrize("name", ["x.prom", "/var/x.txt"])
def test_a_name_that_node_exporter_would_not_read_is_refused(
    name: str, started: list[DaemonOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        mpathctl(["run", "--textfile", name])
    assert started == []
    assert ".prom" in capsys.readouterr().err


def test_a_sandbox_has_no_daemon(started: list[DaemonOptions], capsys: pytest.CaptureFixture[str]) -> None:
    assert mpathctl(["--sandbox", "small", "run"]) == 1
    assert "runs on this host only" in capsys.readouterr().err
    assert not started
