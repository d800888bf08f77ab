"""`make install` into a staging directory: what is there, that it runs, and that it disturbs nobody."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.install import FILES, PROGRAMS, Layout, base_python, install
from tests.client.stub import stub


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prefix of an installation below a DESTDIR."""
    destdir = tmp_path_factory.mktemp("destdir")
    install(Layout(destdir, Path("/usr"), base_python()))
    return destdir / "usr"


def run(program: Path, *arguments: str, socket: str = "@mpathctl-test-nobody") -> subprocess.CompletedProcess[str]:
    """An installed program, in an environment that would lead another one astray."""
    environment = {"MULTIPATH_SOCKET_NAME": socket, "PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere"}
    return subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_the_programs_run(staged: Path) -> None:
    version = run(staged / "sbin/mpathctl", "--version")
    assert (version.returncode, version.stdout.startswith("mpathctl ")) == (0, True), version.stderr
    plan = run(staged / "sbin/mpathctl", "--sandbox", "small", "reconcile", "--dry-run")
    assert (plan.returncode, "steps to do" in plan.stdout) == (2, True), plan.stderr
    assert "multipath-tools v0.14.3" in run(staged / "sbin/multipath", "-h").stderr
    assert run(staged / "sbin/multipathc").stderr == "ERROR: failed to connect to multipathd\n"
    with stub(lambda _: "pid 1 idle\n") as server:
        assert run(staged / "sbin/multipathd", "show", "daemon", socket=server.name).stdout == "pid 1 idle\n"


def test_a_process_has_the_programs_name(staged: Path) -> None:
    """Scripts ask `pgrep multipathd`."""
    names: list[str] = []

    def answer(_command: str) -> str:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        names.extend(_name(pid) for pid in pids if _parent(pid) == os.getpid())
        return "ok\n"

    with stub(answer) as server:
        assert run(staged / "sbin/multipathd", "-k", "show daemon", socket=server.name).returncode == 0
        assert run(staged / "sbin/multipathd", "show", "daemon", socket=server.name).stdout == "ok\n"
    assert "multipathd" in names


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_nothing_goes_where_other_applications_look(staged: Path) -> None:
    own = staged / "lib/mpathctl"
    outside = [path for path in staged.rglob("*.py") if own not in path.parents]
    assert outside == []
    assert not list(staged.glob("lib/python*"))
    assert sorted(path.name for path in own.iterdir()) == ["bin", "installed.json", "lib"]


def test_everything_is_compiled_and_nothing_remembers_the_staging_directory(staged: Path) -> None:
    lib = staged / "lib/mpathctl/lib"
    sources = {path.relative_to(lib) for path in (lib / "controller").rglob("*.py")}
    tag = f".{sys.implementation.cache_tag}.pyc"
    assert all((lib / path.parent / "__pycache__" / f"{path.stem}{tag}").is_file() for path in sources)
    staging, building = str(staged.parent).encode(), b"/mpathctl-install."
    contents = {path: path.read_bytes() for path in staged.rglob("*") if path.is_file() and not path.is_symlink()}
    assert [path for path, content in contents.items() if staging in content or building in content] == []


def test_programs_and_places_agree(staged: Path) -> None:
    for name in PROGRAMS:
        launcher = (staged / "sbin" / name).resolve()
        assert launcher == (staged / "lib/mpathctl/bin" / name).resolve()
        assert os.access(launcher, os.X_OK)
    for _, target in FILES:
        text = (staged / target).read_text()
        assert "@SBINDIR@" not in text
    assert "ExecStart=/usr/sbin/multipathd -d -s\n" in (staged / "lib/systemd/system/mpathctl.service").read_text()
    assert '"/usr/sbin/multipath -u %k"' in (staged / "lib/udev/rules.d/56-multipath.rules").read_text()


@pytest.mark.parametrize(
    ("rules", "device_mappers"),
    [
        pytest.param("upstream", ("10-dm.rules", "13-dm-disk.rules"), id="as upstream numbers them"),
        pytest.param("debian", ("55-dm.rules", "60-persistent-storage-dm.rules"), id="as Debian does"),
    ],
)
def test_rules_for_maps_come_after_device_mappers_and_before_the_contents_are_probed(
    rules: str, device_mappers: tuple[str, str], tmp_path: Path
) -> None:
    install(Layout(tmp_path, Path("/usr"), base_python(), rules))
    names = sorted(path.name for path in (tmp_path / "usr/lib/udev/rules.d").iterdir())
    first, probing = device_mappers
    for_maps, for_disks, late = (next(name for name in names if name.endswith(end)) for end in ENDS)
    assert len(names) == len(ENDS)
    assert first < for_maps < probing
    assert for_disks < "60-persistent-storage.rules"
    assert late == names[-1]


ENDS = ("-dm-mpath.rules", "-multipath.rules", "-dm-mpath-late.rules")


def test_a_second_installation_leaves_nothing_of_the_first(staged: Path, tmp_path: Path) -> None:
    shutil.copytree(staged, tmp_path / "usr", symlinks=True)
    stale = tmp_path / "usr/lib/mpathctl/lib/controller/gone.py"
    stale.write_text("")
    install(Layout(tmp_path, Path("/usr"), base_python()))
    assert not stale.exists()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_takes_the_units(staged: Path, tmp_path: Path) -> None:
    units = tmp_path / "units"
    shutil.copytree(staged / "lib/systemd/system", units)
    for unit in units.iterdir():
        unit.write_text(unit.read_text().replace("/usr/sbin/", f"{staged}/sbin/"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(units.iterdir())],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if "mpathctl" in line]
    assert (done.returncode, ours) == (0, [])
