"""`show config` beside the reference's `multipath -t`: the same bytes, the same messages, the same exit status.

Where the reference crashes or hangs, ours refuses the configuration, says why, and exits with 1. That is the only
difference in these cases; the list of all intended ones is in `controller.cli.config_commands`.
"""

import argparse
from pathlib import Path

import pytest

from controller.cli import config_commands
from desired.conf.printer import Present, print_config
from desired.config import load_config
from desired.precedence import DeviceKind
from desired.values import Surroundings
from observers.snapshot import Alias, Bus, TextFile, Wwid
from tests.oracle.spec import SPEC, spec_json, spec_path

CASES = sorted(path.name for path in (SPEC / "conf").glob("*")) or ["01-empty"]
CRASHES_AND_HANGS = frozenset({"136", "139", "-9", "137", "HANG"})
"""What stands in place of an exit status where the reference did not come to its end."""


@pytest.fixture(autouse=True)
def _reference_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers depend on the host that they were recorded on: nr_open 1048576, and no native NVMe multipath."""
    monkeypatch.setattr(config_commands, "surroundings_of", lambda *_, **__: Surroundings())


def options(case: Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    config_commands.add_show_config(parser)
    arguments = ["--config", str(case / "multipath.conf"), "--config-dir", str(case / "conf.d")]
    return parser.parse_args(arguments, namespace=argparse.Namespace(sandbox=None))


def in_etc(text: str, case: Path) -> str:
    """A text in which the files are where the reference read them."""
    moved = text.replace(str(case / "multipath.conf"), "/etc/multipath.conf")
    return moved.replace(str(case / "conf.d"), "/etc/multipath/conf.d")


@pytest.mark.parametrize("name", CASES)
def test_the_output_is_that_of_the_reference(name: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    case = spec_path("conf", name)
    status = config_commands.show_config(options(case))
    out, err = capfdbinary.readouterr()
    expected = (case / "expected.rc").read_text().strip()
    messages = in_etc(err.decode("utf-8", "surrogateescape"), case).splitlines()
    wanted = (case / "expected.stderr").read_text(errors="surrogateescape").splitlines()
    assert out == (case / "expected.stdout").read_bytes()
    if expected in CRASHES_AND_HANGS:
        assert status == 1
        assert messages[:-1] == wanted
        assert "cannot be used: " in messages[-1]
    else:
        assert status == int(expected)
        assert messages == wanted


def test_only_what_is_present_is_that_of_the_reference() -> None:
    config = load_config((TextFile("/etc/multipath.conf", spec_path("cli", "multipath.conf").read_text()),))
    paths = spec_json("cli", "devices.json")["paths"]
    kinds = [DeviceKind(path["vendor"], path["model"], path["rev"], "scsi:fcp", Bus.SCSI) for path in paths]
    maps = {
        Wwid("3600a098038303053453f463045727654"): Alias("3600a098038303053453f463045727654"),
        Wwid("36001405aabbccddeeff0011223344556"): Alias("acme"),
    }
    (reply,) = {each["reply"] for each in spec_json("cli", "cli-show.json") if each["command"] == "show config local"}
    assert print_config(config, present=Present(kinds=kinds, maps=maps)) == reply.rstrip("\0")
