"""Changes of the configuration's files, in every manner in which they are changed in the wild."""

import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controller.runtime.config_watch import ConfigWatch, Spot, concerns, directories, spots
from controller.runtime.cycle import Files
from controller.runtime.workers import STACK_SIZE

LIMIT = 30.0
"""Seconds after which a change was not heard of."""

Make = Callable[[], ConfigWatch]


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "multipath.conf").write_text("defaults {\n}\n")
    return folder


def files_in(etc: Path) -> Files:
    return Files(
        config=f"{etc}/multipath.conf", config_dir=f"{etc}/multipath/conf.d", state_dir=f"{etc}/multipath"
    )  # fmt: skip


@pytest.fixture
def watching(etc: Path) -> Iterator[Make]:
    """Begins to watch, and waits until that is so."""
    begun: list[ConfigWatch] = []

    def begin() -> ConfigWatch:
        watch = ConfigWatch(files_in(etc), quiet=0.02, longest=0.2, retry=0.1)
        begun.append(watch)
        watch.start()
        assert heard(watch)
        return watch

    yield begin
    for watch in begun:
        watch.close()


def heard(watch: ConfigWatch, *, limit: float = LIMIT) -> bool:
    ready, _, _ = select.select([watch], [], [], limit)
    if ready:
        assert watch.read() == []
    return bool(ready)


# ---- which names matter


def test_without_drop_ins_the_directory_is_watched_in_which_they_would_appear(etc: Path) -> None:
    assert {Spot(str(etc), "multipath.conf"), Spot(str(etc), "multipath")} <= spots(files_in(etc))


def test_every_name_matters_among_the_drop_ins(etc: Path) -> None:
    (etc / "multipath/conf.d").mkdir(parents=True)
    watched = spots(files_in(etc))
    assert concerns(f"{etc}/multipath/conf.d/a.conf", watched)
    assert concerns(f"{etc}/multipath/wwids", watched)
    assert not concerns(f"{etc}/multipath/other", watched)
    assert not concerns(f"{etc}/resolv.conf", watched)


def test_every_link_on_the_way_matters(etc: Path, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "..one").mkdir(parents=True)
    (volume / "..data").symlink_to("..one")
    (volume / "..one/m.conf").write_text("")
    (volume / "m.conf").symlink_to("..data/m.conf")
    (etc / "multipath.conf").unlink()
    (etc / "multipath.conf").symlink_to(volume / "m.conf")
    assert {
        Spot(str(etc), "multipath.conf"),
        Spot(str(volume), "m.conf"),
        Spot(str(volume), "..data"),
        Spot(str(volume / "..one"), "m.conf"),
    } <= spots(files_in(etc))


def test_links_in_a_circle_come_to_an_end(etc: Path) -> None:
    (etc / "multipath.conf").unlink()
    (etc / "multipath.conf").symlink_to("multipath.conf")
    assert Spot(str(etc), "multipath.conf") in spots(files_in(etc))


def test_another_directory_under_the_same_name_is_another_one(etc: Path) -> None:
    watched = spots(files_in(etc))
    before = directories(watched)
    os.rename(etc, f"{etc}.old")
    etc.mkdir()
    assert directories(watched).keys() == before.keys()
    assert directories(watched) != before


# ---- what is heard


def test_a_file_that_is_written_over_is_heard_of(etc: Path, watching: Make) -> None:
    watch = watching()
    (etc / "multipath.conf").write_text("defaults {\n}\n# another\n")
    assert heard(watch)


def test_a_file_that_is_renamed_over_it_is_heard_of(etc: Path, watching: Make) -> None:
    watch = watching()
    (etc / "new").write_text("x")
    os.replace(etc / "new", etc / "multipath.conf")
    assert heard(watch)


def test_a_drop_in_is_heard_of_even_when_its_directory_was_not_there(etc: Path, watching: Make) -> None:
    watch = watching()
    (etc / "multipath").mkdir()
    assert heard(watch)
    (etc / "multipath/conf.d").mkdir()
    assert heard(watch)
    settle(watch)
    (etc / "multipath/conf.d/a.conf").write_text("x")
    assert heard(watch)


def settle(watch: ConfigWatch) -> None:
    """Until a new set of directories is watched, each of which is told once more."""
    while heard(watch, limit=1.0):
        pass


def test_the_records_are_heard_of(etc: Path, watching: Make) -> None:
    (etc / "multipath").mkdir()
    watch = watching()
    (etc / "multipath/wwids").write_text("x")
    assert heard(watch)


def test_a_mounted_configuration_that_is_swapped_is_heard_of_again_and_again(
    etc: Path, tmp_path: Path, watching: Make
) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    publish(volume, 1)
    (volume / "multipath.conf").symlink_to("..data/multipath.conf")
    (etc / "multipath.conf").unlink()
    (etc / "multipath.conf").symlink_to(volume / "multipath.conf")
    watch = watching()
    for number in (2, 3):
        publish(volume, number)
        assert heard(watch)
        settle(watch)


def publish(volume: Path, number: int) -> None:
    """As a kubelet publishes a ConfigMap: a directory, and a link to it that is swapped in one go."""
    folder = volume / f"..{number}"
    folder.mkdir()
    (folder / "multipath.conf").write_text(f"# {number}\n")
    (volume / "..data_tmp").symlink_to(folder.name)
    os.replace(volume / "..data_tmp", volume / "..data")


def test_what_others_do_in_the_directory_is_not_heard_of(etc: Path, watching: Make) -> None:
    watch = watching()
    (etc / "resolv.conf").write_text("x")
    assert not heard(watch, limit=1.0)


def test_a_burst_of_changes_is_told_a_few_times(etc: Path, watching: Make) -> None:
    watch = watching()
    for number in range(500):
        (etc / "multipath.conf").write_text(str(number))
    told = 0
    while heard(watch, limit=1.0):
        told += 1
    assert 1 <= told < 50


def test_trouble_is_told_once_and_watching_tried_again(
    etc: Path, watching: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail = [True]
    real = directories

    def refused(watched: frozenset[Spot]) -> dict[str, tuple[int, int]]:
        if fail[0]:
            raise OSError(28, "No space left on device")
        return real(watched)

    monkeypatch.setattr("controller.runtime.config_watch.directories", refused)
    watch = ConfigWatch(files_in(etc), quiet=0.02, longest=0.2, retry=0.02)
    watch.start()
    assert select.select([watch], [], [], LIMIT)[0]
    (trouble,) = watch.read()
    assert "No space left on device" in trouble
    assert not heard(watch, limit=0.5)
    fail[0] = False
    assert heard(watch)
    watch.close()


def test_after_it_began_nothing_is_imported_and_stacks_are_small() -> None:
    """What is loaded late would be read from a disk that may be dead."""
    program = """
import os, select, sys, tempfile
from controller.runtime.config_watch import ConfigWatch
from controller.runtime.cycle import Files
from controller.runtime.workers import STACK_SIZE
folder = tempfile.mkdtemp()
watch = ConfigWatch(
    Files(config=folder + "/m.conf", config_dir=folder + "/d", state_dir=folder), quiet=0.02, longest=0.1
)
before = set(sys.modules)
watch.start()
for name in ("", "m.conf", "d/x.conf"):
    if name.startswith("d"):
        os.mkdir(folder + "/d")
    if name:
        open(folder + "/" + name, "w").close()
    assert select.select([watch], [], [], 30)[0], name
    watch.read()
print(sorted(set(sys.modules) - before), os.environ["RUST_MIN_STACK"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == f"[] {STACK_SIZE}\n"
