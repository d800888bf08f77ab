"""`multipath -l` and `-ll`: how wide columns are, the list of paths, and the maps that the kernel makes itself."""

from collections.abc import Callable

import pytest

from controller.cli import multipath_view
from controller.sandbox.host import SandboxHost
from controller.sandbox.scenario import parse_scenario
from tests.programs.hosts import DATA, LOGS, Said, file, multipath, san

DAEMON = file("/run/multipathd.pid", "4711\n") + file("/proc/4711/comm", "multipathd\n")
UUID = "uuid.6b1d0000-0000-4000-8000-000000000001"
NATIVE = """\
host
    nvme-multipath on
nvme nqn.1
    model "Example NVMe"
    firmware 1.0
    controller 0 tcp traddr=10.0.0.1
    controller 11 tcp traddr=10.0.0.2 1 non-optimized
    namespace 1 size 1G uuid 6b1d0000-0000-4000-8000-000000000001
"""
PERMITTED = 'defaults {\n\tenable_foreign "nvme"\n}\n'


def native(config: str = "") -> SandboxHost:
    """A host whose kernel multipaths its only NVMe namespace."""
    text = NATIVE + DAEMON + file("/etc/multipath.conf", config)
    return SandboxHost(parse_scenario(text, file="native.san"))


def made(more: str = "") -> SandboxHost:
    host = san(DAEMON + more)
    assert multipath(host).status == 0
    return host


def paths_of(text: str, name: str) -> list[str]:
    """The lines of the paths of a map."""
    lines = iter(text.splitlines())
    next(line for line in lines if line.startswith(name))
    return [line.rstrip()[2:] for _, line in zip(range(4), lines, strict=False) if "- policy" not in line][1:]


def test_the_columns_of_a_tree_are_as_wide_as_those_of_its_own_paths() -> None:
    host = made("at 1s offline sda\n")
    host.advance(2)
    trees = multipath(host, "-ll").out
    assert paths_of(trees, "data") == [
        "|- 1:0:0:0 sda 8:0  active faulty offline",
        "`- 2:0:0:0 sdc 8:32 active ready  running",
    ]
    assert paths_of(trees, LOGS) == [
        "|- 1:0:0:1 sdb 8:16 active ready running",
        "`- 2:0:0:1 sdd 8:48 active ready running",
    ]


@pytest.mark.parametrize(("host", "title"), [(made, f"data ({DATA})"), (native, UUID)], ids=["ours", "the kernel's"])
def test_on_a_terminal_the_first_line_of_a_tree_is_bold(
    host: Callable[[], SandboxHost], title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = multipath(host(), "-ll", "-e").out
    monkeypatch.setattr(multipath_view, "on_a_terminal", lambda: True)
    bold = multipath(host(), "-ll", "-e").out
    assert bold.startswith(f"\x1b[1m{title} ")
    assert bold.count("\x1b[1m") == bold.count("\x1b[0m\n") == plain.count("size=")
    assert bold.replace("\x1b[1m", "").replace("\x1b[0m", "") == plain


def test_the_list_of_paths_is_made_before_maps_are_looked_at() -> None:
    out = multipath(made(), "-v3", "-ll").out
    banner, header, first, *_ = (line.rstrip() for line in out.splitlines())
    assert banner == "===== paths list ====="
    assert header.split() == ["uuid", "hcil", "dev", "dev_t", "pri", "dm_st", "chk_st", "vend/prod/rev", "dev_st"]
    assert first == f"{DATA} 1:0:0:0 sda 8:0   50  undef undef  NETAPP,LUN C-Mode,9161 unknown"
    assert "\n  |- 1:0:0:0 sda 8:0  active ready running\n" in out


def test_no_paths_are_told_as_such() -> None:
    assert multipath(native(), "-v3", "-ll") == Said(0, "===== no paths =====\n", "")


@pytest.mark.parametrize("job", ["-l", "-ll"])
@pytest.mark.parametrize(("config", "arguments"), [("", ("-e",)), (PERMITTED, ())])
def test_maps_of_the_kernel_are_listed_when_the_configuration_or_e_says_so(
    job: str, config: str, arguments: tuple[str, ...]
) -> None:
    said = multipath(native(config), job, *arguments)
    assert (said.status, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == f"{UUID} [nvme]:nvme0n1 NVMe,Example NVMe,1.0"
    assert [line.startswith(("|-+- policy='n/a'", "`-+- policy='n/a'")) for line in lines[2::2]] == [True, True]
    assert [line[2:13] for line in lines[3::2]] == ["`- 0:0:1  n", "`- 0:11:1 n"]


def test_maps_of_the_kernel_are_not_listed_by_default_nor_by_e_alone() -> None:
    assert multipath(native(), "-ll") == Said(0, "", "")
    assert multipath(native(), "-e") == Said(0, "", "")


def test_at_verbosity_1_maps_of_the_kernel_are_named_and_at_0_not_even_that() -> None:
    assert multipath(native(), "-ll", "-e", "-v1").out == "nqn.1:nsid.1\n"
    assert multipath(native(), "-ll", "-e", "-v0").out == ""


def test_at_verbosity_3_the_paths_come_before_the_maps_that_are_made() -> None:
    for arguments in (("-v3",), ("-v3", "-d")):
        out = multipath(san(DAEMON), *arguments).out
        assert out.startswith("===== paths list =====\nuuid ")
        assert out.count("===== ") == 1
        assert f"\ncreate: data ({DATA}) undef NETAPP,LUN C-Mode\n" in out
    assert "=====" not in multipath(san(DAEMON), "-v2").out


def test_a_map_that_cannot_be_made_is_shown_with_the_paths_that_agree() -> None:
    host = san(DAEMON + "at 1s resize ontap:1 30G\nat 1s rescan sdd\n")
    host.advance(2)
    rejected = f"""\
reject: {LOGS} undef NETAPP,LUN C-Mode
size=8.0G features='2 pg_init_retries 50' hwhandler='1 alua' wp=undef
`-+- policy='service-time 0' prio=50 status=undef
  `- 1:0:0:1 sdb 8:16 undef ready running
"""
    for arguments in (("-d", LOGS), (LOGS,), (LOGS,)):
        assert multipath(host, *arguments) == Said(0, rejected, "")
    assert multipath(host).out.startswith("create: data (")
    assert multipath(host, "-v1", "data").out == ""
    assert multipath(host, "-v1").out == f"{LOGS}\n"
