"""`show config` and `check-config`: what they print, and with which exit status they end."""

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from controller.cli import config_commands
from controller.cli.config_report import EXCERPT, Checked, as_text
from controller.cli.main import main as mpathctl
from desired.model import ConfigMessage, Severity
from observers.config_files import DROP_IN_DIRECTORY, MAIN_FILE
from observers.errors import InputError
from observers.snapshot import TextFile


def options(add: Any, *arguments: str, **rest: Any) -> argparse.Namespace:
    """What a command is called with when the whole program got no options of its own."""
    parser = argparse.ArgumentParser()
    add(parser)
    known = argparse.Namespace(sandbox=None, config=MAIN_FILE, config_dir="/nonexistent")
    for name, value in rest.items():
        setattr(known, name, value)
    return parser.parse_args(arguments, namespace=known)


def show(*arguments: str, **rest: Any) -> int:
    return config_commands.show_config(options(config_commands.add_show_config, *arguments, **rest))


def check(*arguments: str) -> int:
    return config_commands.check_config(options(config_commands.add_check_config, *arguments))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "multipath.conf"


def written(file: Path, *lines: str) -> str:
    file.write_text("".join(f"{line}\n" for line in lines))
    return str(file)


def leaves(tree: object) -> Iterator[str]:
    """The values of a configuration as JSON."""
    if isinstance(tree, str):
        yield tree
        return
    for each in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from leaves(each)


class TestShowConfig:
    """The merged configuration."""

    def test_messages_go_to_standard_error_in_the_words_of_multipath_tools(
        self, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        written(file, "defaults {", "\tverbosity 9", "\tfailback 0", "}")
        assert show("--config", str(file)) == 0
        out, err = capsys.readouterr()
        assert err == f"{file} line 2, value for verbosity too large, capping at 4\n"
        assert out.startswith("defaults {\n\tverbosity 4\n")

    def test_a_refused_configuration_prints_nothing_but_why(
        self, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        written(file, "defaults {", "\treservation_key zz", "}")
        assert show("--config", str(file)) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err == f"{file} line 2, parsing failed: \treservation_key zz\nerror parsing config file\n"

    @pytest.mark.parametrize("line", ["polling_interval 0", "polling_interval x", "partition_delimiter a/b"])
    def test_what_multipath_tools_crashes_on_is_a_clear_error(
        self, file: Path, line: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        written(file, "defaults {", f"\t{line}", "}")
        assert show("--config", str(file)) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.splitlines()[-1].startswith(f"{file} line 2, {line.split()[0]} ")
        assert "cannot be used: " in err

    def test_an_expression_that_no_rule_can_be_made_of_is_a_clear_error(
        self, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        written(file, "devices {", "device {", "vendor A", "product B", 'product_blacklist "("', "}", "}")
        assert show("--config", str(file)) == 1
        assert "is no regular expression: ( is not closed" in capsys.readouterr().err

    def test_drop_ins_count(self, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "d").mkdir()
        written(tmp_path / "d" / "b.conf", "defaults {", "verbosity 1", "}")
        written(tmp_path / "d" / "a.conf", "defaults {", "verbosity 3", "}")
        assert show("--config", written(file), "--config-dir", str(tmp_path / "d")) == 0
        assert "\tverbosity 1\n" in capsys.readouterr().out

    def test_bytes_that_are_no_text_come_out_as_they_were(
        self, file: Path, capfdbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        file.write_bytes(b'defaults {\n\tprio_args "\xff\xc3\xa9"\n\tbogus\xfe 1\n}\n')
        assert show("--config", str(file)) == 0
        assert b'\tprio_args "\xff\xc3\xa9"\n' in capfdbinary.readouterr().out

    def test_json_has_the_sections_as_objects(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        text = """blacklist { \n devnode ^loop \n devnode "a ""b" \n device {\n vendor A\n product B \n} \n}
devices {\n device {\n vendor X\n product "Y Z"\n path_checker tur \n}\n}
overrides {\n no_path_retry 5\n protocol {\n type scsi:fcp\n fast_io_fail_tmo 3\n}\n}
multipaths {\n multipath {\n wwid 36001 \n alias data\n}\n multipath {\n wwid 36002 \n}\n}"""
        written(file, *text.split("\n"))
        assert show("--config", str(file), "--json") == 0
        tree = json.loads(capsys.readouterr().out)
        assert tree["defaults"]["path_selector"] == "service-time 0"
        assert tree["defaults"]["verbosity"] == "2"
        assert {"^loop", 'a "b'} <= set(tree["blacklist"]["devnode"])
        assert {"vendor": "A", "product": "B"} in tree["blacklist"]["device"]
        assert {"vendor": "X", "product": "Y Z", "path_checker": "tur"} in tree["devices"]["device"]
        assert tree["overrides"]["no_path_retry"] == "5"
        assert tree["overrides"]["protocol"] == [{"type": "scsi:fcp", "fast_io_fail_tmo": "3"}]
        assert tree["multipaths"]["multipath"] == [{"wwid": "36001", "alias": "data"}, {"wwid": "36002"}]

    def test_a_refused_configuration_has_no_json(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        written(file, "defaults {", "\treservation_key zz", "}")
        assert show("--config", str(file), "--json") == 1
        assert capsys.readouterr().out == ""

    def test_json_has_every_value_that_is_printed(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        text = written(file, "multipaths {", "multipath {", 'wwid "a#b{"', 'alias "}"', "}", "}")
        assert show("--config", text) == 0
        printed = capsys.readouterr().out
        assert show("--config", text, "--json") == 0
        tree = json.loads(capsys.readouterr().out)
        assert sum(1 for _ in leaves(tree)) == sum(
            line[-1:] not in ("{", "}") or '"' in line for line in printed.splitlines()
        )
        assert tree["multipaths"]["multipath"] == [{"wwid": "a#b{", "alias": "}"}]

    def test_a_named_file_that_is_not_there_is_an_error(self, file: Path) -> None:
        with pytest.raises(InputError, match="there is no such file"):
            show("--config", str(file))

    def test_without_the_usual_file_the_built_in_values_count(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(config_commands, "MAIN_FILE", str(file))
        assert show(config=str(file)) == 0
        assert "\tverbosity 2\n" in capsys.readouterr().out

    def test_a_file_that_cannot_be_read_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="EISDIR"):
            show("--config", str(tmp_path))

    def test_users_of_the_host_have_names(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        written(file, "defaults {", "uid root", "gid nosuchuser", "}")
        assert show("--config", str(file)) == 0
        out, err = capsys.readouterr()
        assert "\tuid 00\n" in out
        assert err == f'{file} line 3, invalid value for gid: "nosuchuser"\n'

    def test_a_snapshot_brings_its_own_configuration_and_devices(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        taken = tmp_path / "snapshot.json"
        assert mpathctl(["--sandbox", "small", "snapshot", "-o", str(taken)]) == 0
        usual = {"config": MAIN_FILE, "config_dir": DROP_IN_DIRECTORY}
        assert show("--snapshot", str(taken), **usual) == 0
        everything = capsys.readouterr().out
        assert show("local", "--snapshot", str(taken), **usual) == 0
        local = capsys.readouterr().out
        assert 0 < local.count("\tdevice {") < everything.count("\tdevice {")

    def test_a_sandbox_can_be_asked_as_well(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert show("local", sandbox="small") == 0
        assert "\ndevices {\n" in capsys.readouterr().out


class TestCheckConfig:
    """Everything that is wrong."""

    def test_a_message_shows_its_place_its_line_a_caret_and_a_hint(
        self, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        written(file, "defaults {", "\tpollinginterval 3", "\tverbosity 9", "}")
        assert check(str(file)) == 1
        assert capsys.readouterr().out == (
            f"{file}:2:2: error: invalid keyword in the defaults section: pollinginterval\n"
            "    2 | \tpollinginterval 3\n"
            "      | \t^\n"
            "    hint: did you mean polling_interval?\n"
            f"{file}:3:12: warning: value for verbosity too large, capping at 4\n"
            "    3 | \tverbosity 9\n"
            "      | \t          ^\n"
            "    hint: expected a whole number from 0 to 4\n"
            "1 error, 1 warning\n"
        )

    @pytest.mark.parametrize(
        ("lines", "arguments", "status"),
        [
            (["verbosity 3"], [], 0),
            (["verbosity 3"], ["--strict"], 0),
            (["verbosity 9"], [], 0),
            (["verbosity 9"], ["--strict"], 1),
            (["verbosity x"], [], 1),
            (["polling_interval 0"], [], 1),
        ],
    )
    def test_the_exit_status(self, file: Path, lines: Sequence[str], arguments: Sequence[str], status: int) -> None:
        assert check(written(file, "defaults {", *lines, "}"), *arguments) == status

    def test_a_hundred_errors_are_all_reported_in_order(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        written(file, "defaults {", *(f"bogus{n} 1" for n in range(100)), "}")
        assert check(str(file)) == 1
        heads = [line for line in capsys.readouterr().out.splitlines() if ": error: " in line]
        assert [head.split(":")[1] for head in heads] == [str(n) for n in range(2, 102)]

    def test_a_refused_main_file_hides_nothing_of_the_rest(
        self, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "d").mkdir()
        drop_in = tmp_path / "d" / "x.conf"
        written(drop_in, "bogus 1")
        written(file, "devices {", "device {", "vendor A", "}", "}", "blacklist {", 'wwid "("', "}")
        assert check(str(file), "--config-dir", str(tmp_path / "d")) == 1
        out = capsys.readouterr().out
        places = [line.partition(": error: ")[0] for line in out.splitlines() if ": error: " in line]
        assert places == [f"{file}:2:1", f"{file}:7:7", f"{drop_in}:1:1"]
        assert out.endswith("3 errors, 0 warnings (multipathd would not start with this configuration)\n")

    def test_other_drop_ins_are_not_read(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert check(written(file, "defaults {", "}")) == 0
        assert capsys.readouterr().out == "0 errors, 0 warnings\n"

    def test_json_says_the_same(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        written(file, "defaults {", "\tpollinginterval 3", "devices {")
        assert check(str(file), "--json") == 1
        report = json.loads(capsys.readouterr().out)
        assert {key: report[key] for key in ("version", "errors", "warnings", "refused", "files")} == {
            "version": 1,
            "errors": 2,
            "warnings": 1,
            "refused": False,
            "files": [str(file)],
        }
        assert report["messages"][0] == {
            "severity": "error",
            "file": str(file),
            "line": 2,
            "column": 2,
            "message": "invalid keyword in the defaults section: pollinginterval",
            "hint": "did you mean polling_interval?",
            "source": "\tpollinginterval 3",
        }
        assert [each["column"] for each in report["messages"] if "missing '}'" in each["message"]] == [None]

    def test_messages_that_are_ours_alone_are_there(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        written(file, "defaults {", "dev_loss_tmo 60s", "}")
        assert check(str(file)) == 0
        assert ':2:14: warning: dev_loss_tmo "60s" is read as 60\n' in capsys.readouterr().out

    def test_the_rest_of_an_over_long_line_is_shown_where_it_is(
        self, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        written(file, "defaults {", "x" * 1100 + " 1", "bogus 1", "}")
        assert check(str(file)) == 1
        out = capsys.readouterr().out
        assert f"{file}:2:1024: error: invalid keyword in the defaults section: {'x' * 77}\n" in out
        assert f"{file}:3:1: error: invalid keyword in the defaults section: bogus\n" in out

    def test_a_terminal_is_never_obeyed(self, file: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        file.write_bytes(b"defaults {\n\x1b]0;x\x07\xff 1\n}\n")
        assert check(str(file)) == 1
        out = capfdbinary.readouterr().out
        assert b"\x1b" not in out
        assert b"\x07" not in out
        assert check(str(file), "--json") == 1
        assert json.loads(capfdbinary.readouterr().out)["errors"] == 1

    def test_a_file_that_is_not_there_is_an_error(self, file: Path) -> None:
        with pytest.raises(InputError, match="there is no such file"):
            check(str(file))

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read the file")
    def test_a_file_that_may_not_be_read_is_an_error(self, file: Path) -> None:
        written(file)
        file.chmod(0)
        os.seteuid(65534)
        try:
            with pytest.raises(InputError, match="EACCES"):
                check(str(file))
        finally:
            os.seteuid(0)


class TestExcerpt:
    """The line with a caret under the place."""

    def report(self, line: str, column: int) -> list[str]:
        message = ConfigMessage(severity=Severity.ERROR, file="f", line=1, column=column, text="wrong")
        checked = Checked(files=(TextFile("f", line),), messages=(message,))
        return as_text(checked).splitlines()[1:-1]

    def test_wide_characters_take_two_columns(self) -> None:
        assert self.report("漢字 x", 4) == ["    1 | 漢字 x", "      |      ^"]

    @pytest.mark.parametrize("column", [1, 100, 500, 1000])
    def test_of_a_long_line_the_part_around_the_place_is_shown(self, column: int) -> None:
        line = "".join(chr(ord("a") + n % 26) for n in range(1000))
        shown, caret = self.report(line, column)
        assert len(shown) <= EXCERPT + 14
        assert shown[caret.index("^")] == line[column - 1]

    def test_without_a_column_there_is_no_caret(self) -> None:
        assert self.report("x", 0) == ["    1 | x"]
