"""`multipathd` as the daemon: what its command line means, and where it runs."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from controller.cli import daemon_entry
from controller.cli.daemon_entry import LETTERS, options_of
from controller.cli.own_settings import OwnSettings
from controller.client.options import parse
from controller.runtime.cycle import Files
from controller.runtime.daemon import DaemonOptions
from controller.runtime.pidfile import Pidfile


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], DaemonOptions()),
        (["-d"], DaemonOptions(stamped=True)),
        (["-d", "-s"], DaemonOptions(stamped=False)),
        (["-s", "-d", "-v3"], DaemonOptions(stamped=False, verbosity=3)),
        (["-v", "2x", "-w", "-n"], DaemonOptions(verbosity=2)),
        (["-B"], DaemonOptions(files=Files(fixed_names=True))),
    ],
    ids=["nothing", "foreground", "without times", "in any order", "the rest", "no new names"],
)
def test_how_the_daemon_is_to_run(arguments: Sequence[str], options: DaemonOptions) -> None:
    assert options_of(parse(arguments, LETTERS)[0], OwnSettings()) == options


def test_only_root_may_start_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert (daemon_entry.main(["-d"]), capsys.readouterr().err) == (1, "need to be root\n")


BACKGROUND = """\
import os, sys
os.umask(0)
from controller.cli import daemon_entry
def run_daemon(options):
    facts = [os.getcwd(), str(os.getsid(0) != int(sys.argv[1])), os.readlink("/proc/self/fd/1"), str(os.umask(0))]
    with open(sys.argv[2] + ".new", "w") as file:
        file.write("\\n".join(facts))
    os.rename(sys.argv[2] + ".new", sys.argv[2])
    return 0
daemon_entry.run_daemon = run_daemon
daemon_entry.may_start = lambda options: True
os.geteuid = lambda: 0
sys.exit(daemon_entry.main([]))
"""


def test_without_d_it_goes_into_the_background(tmp_path: Path) -> None:
    report = tmp_path / "report"
    read, write = os.pipe()
    done = subprocess.run(
        [sys.executable, "-c", BACKGROUND, str(os.getsid(0)), str(report)], check=False, pass_fds=[write]
    )
    os.close(write)
    assert os.read(read, 1) == b""  # the daemon had the other end, and has ended
    os.close(read)
    assert (done.returncode, report.read_text().split("\n")) == (0, ["/", "True", "/dev/null", str(0o022)])


def test_what_stands_against_a_start_is_said_before_it_goes_into_the_background(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(daemon_entry, "_in_background", lambda: False)
    options = DaemonOptions(pidfile=str(tmp_path / "pid"), files=Files(config=str(tmp_path / "multipath.conf")))
    monkeypatch.setattr(daemon_entry, "options_of", lambda *_: options)
    monkeypatch.chdir(tmp_path)
    assert (daemon_entry.main([]), capsys.readouterr().err) == (0, "")
    held = Pidfile.take(options.pidfile, pid=4711)
    status, said = daemon_entry.main([]), capsys.readouterr().err
    held.release()
    assert status == 1
    assert said.startswith("multipathd: a multipath daemon runs already: process 4711 holds")
    Path(options.files.config).write_text("defaults {\n polling_interval 0\n}\n", encoding="ascii")
    assert daemon_entry.main([]) == 1
    assert f"{options.files.config}:2:" in capsys.readouterr().err
