"""The daemon's own settings, in the environment: what they mean, and what is said of a value that can't be used."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from controller.cli import daemon_entry, own_settings
from controller.cli.main import main as mpathctl
from controller.cli.own_settings import OwnSettings, from_environment
from controller.runtime.daemon import DaemonOptions
from deploy.man import generate
from observers.errors import InputError
from tests.programs.starts import started as started

UNIT = Path(__file__).resolve().parents[2] / "deploy/systemd/mpathctl.service.in"
VARIABLES = (own_settings.TEXTFILE, own_settings.APPLY_CHANGES, own_settings.MD_INTERVAL)
ALL = dict(zip(VARIABLES, ("/var/x.prom", "yes", "60"), strict=True))


@pytest.fixture(autouse=True)
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chdir", lambda _: None)
    monkeypatch.setattr(os, "umask", lambda mask: mask)


def own(options: DaemonOptions) -> tuple[str | None, bool, float]:
    return options.textfile, options.apply_changes, options.md_interval


@pytest.mark.parametrize("environment", [{}, dict.fromkeys(VARIABLES, "")], ids=["not there", "empty"])
def test_nothing_is_set_by_nothing(environment: Mapping[str, str]) -> None:
    assert from_environment(environment) == OwnSettings()


@pytest.mark.parametrize("word", ["yes", "1", "True", "on", " yes "])
def test_a_switch_is_on(word: str) -> None:
    assert from_environment({own_settings.APPLY_CHANGES: word}).apply_changes is True


@pytest.mark.parametrize("word", ["no", "0", "False", "off"])
def test_a_switch_is_off(word: str) -> None:
    assert from_environment({own_settings.APPLY_CHANGES: word}).apply_changes is False


WRONG = [
    (own_settings.TEXTFILE, "x.prom"), (own_settings.TEXTFILE, "/var/x.txt"), (own_settings.APPLY_CHANGES, "maybe"),
    (own_settings.MD_INTERVAL, "0"), (own_settings.MD_INTERVAL, "often"), (own_settings.MD_INTERVAL, "nan"),
    (own_settings.MD_INTERVAL, "1e9"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_value_that_can_not_be_used_is_refused_with_the_name_of_its_variable(name: str, value: str) -> None:
    with pytest.raises(InputError, match=rf"^{name}: '{value}'"):
        from_environment({name: value})


@pytest.mark.parametrize("program", ["multipathd", "mpathctl run"])
def test_both_programs_take_them(
    program: str, started: list[DaemonOptions], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    for name, value in ALL.items():
        monkeypatch.setenv(name, value)
    assert (daemon_entry.main(["-d"]) if program == "multipathd" else mpathctl(["run"])) == 0
    assert [own(options) for options in started] == [("/var/x.prom", True, 60.0)]


@pytest.mark.parametrize("program", ["multipathd", "mpathctl run"])
def test_both_programs_refuse_to_start_with_a_wrong_one(
    program: str, started: list[DaemonOptions], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    monkeypatch.setenv(own_settings.MD_INTERVAL, "often")
    assert (daemon_entry.main([]) if program == "multipathd" else mpathctl(["run"])) == 1
    assert started == []
    assert f"{own_settings.MD_INTERVAL}: 'often' is no number of seconds" in capsys.readouterr().err


def test_an_option_wins_over_its_variable(started: list[DaemonOptions], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ALL.items():
        monkeypatch.setenv(name, value)
    mpathctl(["run", "--textfile", "/run/y.prom", "--md-interval", "5"])
    assert [own(options) for options in started] == [("/run/y.prom", True, 5.0)]


def test_the_interval_of_md_is_fifteen_seconds_unless_told_otherwise(started: list[DaemonOptions]) -> None:
    daemon_entry.main(["-d"])
    mpathctl(["run"])
    assert [own(options) for options in started] == [(None, False, 15.0)] * 2


@pytest.mark.parametrize("seconds", ["0", "-1", "often"])
def test_an_interval_that_is_none_is_refused(
    seconds: str, started: list[DaemonOptions], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        mpathctl(["run", "--md-interval", seconds])
    assert started == []
    assert "is no number of seconds" in capsys.readouterr().err


@pytest.mark.parametrize("name", VARIABLES)
def test_each_variable_is_in_the_unit_and_in_the_manual(name: str) -> None:
    unit = UNIT.read_text()
    assert "EnvironmentFile=-/etc/default/mpathctl\n" in unit
    (line,) = [line for line in unit.splitlines() if name in line]
    key, _, value = line.lstrip("# ").partition("=")
    from_environment({key: value})
    assert name in generate.multipathd_page()
