"""How many files the daemon may have open, by `max_fds`; that there are too few says nothing of a path."""

import errno
import resource
from pathlib import Path

import pytest

from controller.runtime import resident
from controller.runtime.check_dialogues import Finding, finding_of, once_more, repetition, with_answers
from observers.asking import Answer, Question, converse
from observers.snapshot import PathState
from tests.runtime.test_once_more import PATH, first_finding, whole


class Limits:
    """Of a process that may raise its limit up to `allowed`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, allowed: int = 1 << 20) -> None:
        self.now, self._allowed = (1024, 4096), allowed
        monkeypatch.setattr(resource, "getrlimit", lambda _which: self.now)
        monkeypatch.setattr(resource, "setrlimit", self._set)

    def _set(self, _which: int, limits: tuple[int, int]) -> None:
        if limits[1] > max(self.now[1], self._allowed):
            raise ValueError("not allowed to raise maximum limit")
        self.now = limits


@pytest.fixture
def _kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nr_open").write_text("1048576\n")
    monkeypatch.setattr(resident, "_MOST_FILES", str(tmp_path / "nr_open"))


@pytest.mark.usefixtures("_kernel")
@pytest.mark.parametrize(
    ("count", "after"),
    [(None, (1 << 20, 1 << 20)), (0, (1024, 4096)), (2000, (2000, 4096)), (10_000, (10_000, 10_000))],
)
def test_as_many_as_the_configuration_says(
    monkeypatch: pytest.MonkeyPatch, count: int | None, after: tuple[int, int]
) -> None:
    limits = Limits(monkeypatch)
    resident.limit_descriptors(count, {})
    assert limits.now == after


@pytest.mark.usefixtures("_kernel")
def test_as_many_as_may_be_where_that_is_less(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(monkeypatch, allowed=0)
    resident.limit_descriptors(None, {})
    assert limits.now == (4096, 4096)


@pytest.mark.usefixtures("_kernel")
def test_the_service_managers_word_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(monkeypatch)
    resident.limit_descriptors(None, {"LimitNOFILE": "1024"})
    assert limits.now == (1024, 4096)


def lacking(_question: Question) -> Answer:
    raise OSError(errno.EMFILE, "Too many open files")


def test_a_check_for_which_no_file_could_be_opened_says_nothing_of_its_path() -> None:
    with pytest.raises(OSError, match="Too many") as met:
        converse(with_answers(whole()), lacking)
    assert finding_of(met.value, PATH, "tur").path.health.state is PathState.PENDING


def test_neither_does_one_that_asks_as_the_last_time() -> None:
    known: Finding = first_finding()
    with pytest.raises(OSError, match="Too many"):
        converse(once_more(known, repetition(known), whole), lacking)
