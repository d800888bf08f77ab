"""What an installation leaves: modes for everybody, nothing of an earlier one, and nothing at all after `uninstall`."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy import install as installing
from deploy import record
from deploy.install import RULE_NAMES, Layout, base_python, install
from deploy.record import Root, place, remove

ROOT = Path(__file__).resolve().parents[2]
RULES = "usr/lib/udev/rules.d"


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DESTDIR with an installation that was made by somebody whose files nobody else may read."""
    destdir = tmp_path_factory.mktemp("private") / "root"
    with umask(0o077):
        install(Layout(destdir, Path("/usr"), base_python()))
    return destdir


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application without its packages, which is quick to install."""
    monkeypatch.setattr(installing, "PACKAGES", ())
    monkeypatch.setattr(installing, "dependencies", lambda _: [])


def names(top: Path) -> list[str]:
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_symlink() or not path.is_dir())


def rules(destdir: Path) -> list[str]:
    return sorted(path.name for path in (destdir / RULES).iterdir())


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"deploy.{module}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


# ---- modes


def test_everybody_can_read_what_is_installed_whatever_the_umask(everything: Path) -> None:
    wrong = {
        str(path): oct(stat.S_IMODE(path.lstat().st_mode))
        for path in (everything, *everything.rglob("*"))
        if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) != _mode(path, everything)
    }
    assert wrong == {}


def _mode(path: Path, destdir: Path) -> int:
    program = path.parent == destdir / "usr/lib/mpathctl/bin"
    return 0o755 if path.is_dir() or program else 0o644


def test_modes_are_not_those_of_the_sources(tmp_path: Path) -> None:
    built = tmp_path / "built"
    (built / "share").mkdir(parents=True)
    (built / "share/a").write_text("x")
    (built / "share/a").chmod(0o700)
    with umask(0o077):
        place(built, Root(destdir=tmp_path / "root", prefix=Path("/usr")))
    assert stat.S_IMODE((tmp_path / "root/usr/share/a").stat().st_mode) == 0o644


# ---- what an earlier installation left


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("recorded", [True, False], ids=["with a record", "of a time without records"])
@pytest.mark.parametrize("first", sorted(RULE_NAMES))
@pytest.mark.parametrize("second", sorted(RULE_NAMES))
def test_the_same_rules_are_not_there_under_two_names(
    first: str, second: str, *, recorded: bool, tmp_path: Path
) -> None:
    """udev would run them twice for each event."""
    install(Layout(tmp_path, Path("/usr"), base_python(), first))
    if not recorded:
        (tmp_path / "usr/lib/mpathctl/installed.json").unlink()
    install(Layout(tmp_path, Path("/usr"), base_python(), second))
    given = RULE_NAMES[second]
    upstream = ("11-dm-mpath.rules", "56-multipath.rules", "99-z-dm-mpath-late.rules")
    assert rules(tmp_path) == sorted(given.get(name, name) for name in upstream)


@pytest.mark.usefixtures("small")
def test_rules_of_others_stay(tmp_path: Path) -> None:
    theirs = tmp_path / RULES / "60-multipath.rules"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("# somebody else's\n")
    install(Layout(tmp_path, Path("/usr"), base_python(), "upstream"))
    assert theirs.read_text() == "# somebody else's\n"


def tree(top: Path, **files: str) -> Path:
    """A tree with such files in `share`."""
    shutil.rmtree(top, ignore_errors=True)
    for name, text in files.items():
        (top / "share").mkdir(parents=True, exist_ok=True)
        (top / "share" / name).write_text(text)
    return top


@pytest.fixture
def where(tmp_path: Path) -> Root:
    return Root(destdir=tmp_path / "root", prefix=Path("/usr"))


def test_what_is_not_wanted_any_more_goes(where: Root, tmp_path: Path) -> None:
    place(tree(tmp_path / "built", old="1", both="1"), where)
    assert place(tree(tmp_path / "built", new="2", both="2"), where) == ()
    assert names(where.top / "share") == ["both", "new"]


def test_what_somebody_changed_stays_and_is_told(where: Root, tmp_path: Path) -> None:
    place(tree(tmp_path / "built", old="1", both="1"), where)
    (where.top / "share/old").write_text("mine")
    assert place(tree(tmp_path / "built", both="2"), where) == (str(where.top / "share/old"),)
    assert (where.top / "share/old").read_text() == "mine"


def test_a_program_that_is_a_link_to_elsewhere_by_now_stays(where: Root, tmp_path: Path) -> None:
    built = tree(tmp_path / "built", both="1")
    (built / "share/link").symlink_to("both")
    place(built, where)
    (where.top / "share/link").unlink()
    (where.top / "share/link").symlink_to("/elsewhere")
    assert remove(where) == (str(where.top / "share/link"),)


# ---- uninstall


@pytest.mark.usefixtures("small")
def test_after_uninstall_all_is_as_it_was_before_install(tmp_path: Path) -> None:
    before = {"usr/lib/udev/rules.d/90-other.rules": "x", "etc/multipath.conf": "y", "etc/multipath/wwids": "z"}
    for name, text in before.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    folders = sorted(path for path in tmp_path.rglob("*") if path.is_dir())
    install(Layout(tmp_path, Path("/usr"), base_python(), "upstream"))
    install(Layout(tmp_path, Path("/usr"), base_python(), "debian"))
    assert len(names(tmp_path)) > len(before)
    done = run("uninstall", "--destdir", str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {name: (tmp_path / name).read_text() for name in names(tmp_path)} == before
    assert sorted(path for path in tmp_path.rglob("*") if path.is_dir()) == folders


def test_what_others_put_into_our_directories_stays(where: Root, tmp_path: Path) -> None:
    place(tree(tmp_path / "built", one="1"), where)
    (where.top / "share/theirs").write_text("")
    assert remove(where) == ()
    assert names(where.top) == ["share/theirs"]


def test_uninstall_of_nothing_says_so_in_a_line(tmp_path: Path) -> None:
    done = run("uninstall", "--destdir", str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "no record of an installation" in done.stderr


def test_a_record_of_another_version_is_not_guessed_at(where: Root, tmp_path: Path) -> None:
    place(tree(tmp_path / "built", one="1"), where)
    file = where.top / "lib/mpathctl/installed.json"
    file.write_text(file.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(SystemExit, match="another version of mpathctl wrote it"):
        remove(where)
    assert (where.top / "share/one").exists()


def test_a_record_leads_nowhere_else(where: Root, tmp_path: Path) -> None:
    place(tree(tmp_path / "built", one="1"), where)
    outside = tmp_path / "outside"
    outside.write_text("1")
    file = where.top / "lib/mpathctl/installed.json"
    file.write_text(file.read_text().replace("share/one", "../../outside"))
    remove(where)
    assert outside.exists()


# ---- the command line


@pytest.mark.parametrize("module", ["install", "uninstall"])
@pytest.mark.parametrize("prefix", ["usr", "", "/usr/../etc"])
def test_a_prefix_that_makes_no_sense_is_refused_in_a_line(module: str, prefix: str, tmp_path: Path) -> None:
    done = run(module, "--destdir", str(tmp_path), "--prefix", prefix)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "such as PREFIX=/usr" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_two_slashes_are_one(tmp_path: Path) -> None:
    assert record.root(str(tmp_path), "//usr").top == tmp_path / "usr"


def test_a_place_that_can_not_be_written_is_named_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "usr").write_text("a file")
    done = run("install", "--destdir", str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert str(tmp_path / "usr") in done.stderr


def test_make_has_both(tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "--dry-run", "uninstall", f"DESTDIR={tmp_path}", "PREFIX=/opt"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f'-m deploy.uninstall --destdir "{tmp_path}" --prefix "/opt"' in done.stdout
