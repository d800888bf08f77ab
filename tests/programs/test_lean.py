"""What programs load before they answer: udev and scripts start them thousands of times."""

import subprocess
import sys

import pytest

from controller.cli import client_program
from tests.client.stub import stub

HEAVY = {"pydantic", "pyudev", "watchfiles", "tenacity"}
"""Libraries that no client needs."""


def loaded(code: str, *, socket: str = "@mpathctl-test-nobody", isolated: bool = True) -> set[str]:
    """The modules that are loaded after some code, which may end the interpreter."""
    end = "print('modules', *sys.modules, file=sys.stderr)"
    wrapper = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\n{end}"
    command = [sys.executable, *(["-S"] if isolated else []), "-c", wrapper]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"MULTIPATH_SOCKET_NAME": socket, "PYTHONPATH": "."}
    )
    return set(done.stderr.splitlines()[-1].split()[1:])


def test_a_client_command_loads_its_own_few_modules_and_hardly_more() -> None:
    code = "sys.argv = ['multipathd', 'show', 'daemon']; from controller.cli.launch import multipathd; multipathd()"
    with stub(lambda _: "pid 1 idle\n") as server:
        names = loaded(code, socket=server.name)
        assert server.requests
    own = {name for name in names if name.partition(".")[0] in ("controller", "desired", "observers", "actuators")}
    client = ("channel", "errors", "options", "patience", "program", "wire")
    assert own == {"controller", "controller.cli", "controller.cli.launch", "controller.client"} | {
        f"controller.client.{name}" for name in client
    }
    assert not names & {"socket", "re", "enum", "dataclasses", "typing", "argparse", "json", "logging", *HEAVY}


@pytest.mark.parametrize(
    "arguments",
    [["-u", "sda"], ["-c", "/dev/sda"], ["-U", "dm-0"], ["-C", "dm-0"], ["-f", "x"], ["-h"]],
    ids=" ".join,
)
def test_udevs_questions_load_no_heavy_library(arguments: list[str]) -> None:
    job = f"JOBS.get(read({arguments}).job, 'sys')"
    code = f"from controller.cli.multipath_program import JOBS, read; __import__({job})"
    names = loaded(code, isolated=False)
    allowed = {"tenacity"} if arguments[0] == "-f" else set()  # only a removal without a daemon tries again
    assert names & HEAVY <= allowed


def test_udevs_question_is_answered_without_them() -> None:
    code = "from controller.cli.multipath_program import main; main(['-u', 'no-such-disk'])"
    names = loaded(code, isolated=False)
    assert "controller.cli.udev_question" in names
    assert not names & HEAVY


def test_a_removal_by_the_daemon_loads_nothing_that_could_remove() -> None:
    code = "from controller.cli.multipath_program import main; main(['-f', 'data'])"
    with stub(lambda _: "ok\n") as server:
        names = loaded(code, socket=server.name, isolated=False)
        assert server.requests == [b"del map data\0"]
    assert not names & {"actuators.apply", "controller.cli.multipath_flush", *HEAVY}


@pytest.mark.parametrize(
    "words",
    [["fail", "path", "sda"], ["del", "map", "data"], ["show", "daemon"], ["list", "status", "--json"], ["age"]],
    ids=" ".join,
)
def test_mpathctl_as_a_client_loads_no_heavy_library(words: list[str]) -> None:
    code = f"import sys; sys.argv[1:] = {words}; from controller.cli.launch import mpathctl; mpathctl()"
    with stub(lambda request: "age 0.1\ncycle 2\n" if "age" in request else "pid 5 idle\n") as server:
        names = loaded(code, socket=server.name, isolated=False)
        assert len(server.requests) == 1
    assert not names & {"controller.cli.main", "controller.cli.commands", *HEAVY}


@pytest.mark.parametrize("words", [["--version"], ["show", "--help"], ["--help"], ["-h"]], ids=" ".join)
def test_other_commands_and_help_are_for_the_whole_program(words: list[str]) -> None:
    assert client_program.main(words) is None


@pytest.mark.parametrize("words", [[], ["show"], ["show", "topology"], ["preview", "x.conf"], ["demo"]], ids=" ".join)
def test_what_looks_at_the_host_itself_is_for_the_whole_program(words: list[str]) -> None:
    assert client_program.main(words) is None
