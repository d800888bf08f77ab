"""Texts that rows keep are never out of date: what is answered from a warm state is what a fresh one says."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any
from weakref import ref

import pytest

from controller.protocol.pieces import LATELY, MOST, Piece, prepare
from controller.protocol.rows import map_rows, still_rows
from controller.protocol.state import Action, Counters, State
from controller.protocol.texts import Kept
from controller.protocol.wildcards import MAPS, PATHS
from observers.breathing import Breathe, without_pause
from observers.dmtable import DevT
from observers.snapshot import Alias, Alua, PathState
from tests.protocol.test_wildcards import CHANGED, KNOWN
from tests.protocol.worlds import (
    ARRAY,
    NOW,
    of,
    said,
    with_health,
    with_line,
    with_map,
    with_map_line,
    with_path,
    world,
)

QUESTIONS = (
    f'show paths format "{" ".join(f"%{each.letter}" for each in PATHS)}"',
    f'show maps raw format "{" ".join(f"%{each.letter}" for each in MAPS)}"',
    "show paths", "show maps json", "show topology", "show status", "show maps stats", "show map data json",
    "show map data topology",
)  # fmt: skip


def cold(state: State) -> State:
    """The same without anything that was written before."""
    return replace(state, kept=Kept())


def same_as_cold(state: State) -> None:
    for text in QUESTIONS:
        assert said(state, text) == said(cold(state), text), text


@pytest.fixture
def warm() -> State:
    state = cold(world())
    for text in QUESTIONS:
        said(state, text)
    return state


@pytest.mark.parametrize(("letter", "changes", "_text"), CHANGED)
def test_a_disk_that_changes_is_shown_anew(warm: State, letter: str, changes: dict[str, Any], _text: str) -> None:
    del letter
    same_as_cold(with_path(warm, "sda", **changes))
    same_as_cold(warm)


@pytest.mark.parametrize(("letter", "changes", "_text"), KNOWN)
def test_what_the_daemon_learns_of_a_path_is_shown_anew(
    warm: State, letter: str, changes: dict[str, Any], _text: str
) -> None:
    del letter
    same_as_cold(with_line(warm, "sda", **changes))


def without_groups(state: State) -> State:
    return with_path(state, "sdb", alua=Alua())


OTHERWISE: dict[str, Callable[[State], State]] = {
    "a state": lambda state: with_health(state, "sda", PathState.DOWN),
    "an alias": lambda state: with_map(state, ARRAY, name=Alias("other")),
    "a suspended map": lambda state: with_map(state, ARRAY, suspended=True),
    "a map without status": lambda state: with_map(state, ARRAY, status=None),
    "an action": lambda state: with_map_line(state, ARRAY, action=Action.RELOAD),
    "a counter": lambda state: with_map_line(state, ARRAY, counters=Counters(path_faults=3)),
    "a failback": lambda state: with_map_line(state, ARRAY, failback_due=NOW + 3),
    "queueing": lambda state: with_map_line(state, ARRAY, queueing_ends=NOW + 30),
    "queueing that is off": lambda state: with_map_line(state, ARRAY, queueing_disabled=True),
    "no port groups": without_groups,
    "no maps": lambda state: replace(state, snapshot=replace(state.snapshot, maps=())),
    "no disks": lambda state: replace(state, snapshot=replace(state.snapshot, paths=())),
    "other disks": lambda state: replace(of(state.snapshot.paths[2:]), kept=state.kept),
    "later": lambda state: replace(state, now=NOW + 2),
    "checks that are due later": lambda state: replace(state, due=lambda _dev: NOW + 17),
}


@pytest.mark.parametrize("change", OTHERWISE.values(), ids=OTHERWISE.keys())
def test_everything_else_that_changes_is_shown_anew(warm: State, change: Callable[[State], State]) -> None:
    same_as_cold(change(warm))
    same_as_cold(warm)


def test_a_failback_that_comes_nearer_is_shown_so(warm: State) -> None:
    state = with_map_line(warm, ARRAY, failback_due=NOW + 5)
    same_as_cold(state)
    same_as_cold(replace(state, now=NOW + 3))


def test_a_text_is_written_once(warm: State) -> None:
    kept, of_row = Kept(), (object(),)
    texts = kept.texts("sda", of_row)
    texts.text("json", lambda _: "first", None)
    assert kept.texts("sda", of_row).text("json", lambda _: "second", None) == "first"
    assert kept.texts("sda", (object(),)).text("json", lambda _: "second", None) == "second"


def test_rows_that_came_and_went_are_forgotten() -> None:
    kept = Kept()
    texts = [kept.texts(DevT(f"8:{number}"), (number,)) for number in range(1000)]
    kept.make_room(10)
    assert kept.texts(DevT("8:1"), (1,)) is not texts[1]


# ---- pieces


def test_two_states_are_kept_while_one_takes_the_place_of_the_other() -> None:
    kept, old, new = Kept(), (object(),), (object(),)
    made = [kept.made("rows", old, object), kept.made("rows", new, object)]
    assert [kept.made("rows", each, object) for each in (old, new, old)] == [made[0], made[1], made[0]]
    kept.replaced()
    assert kept.made("rows", new, object) is made[1]
    assert kept.made("rows", old, object) is not made[0]


class Row:
    """Something that can be seen to be gone."""


def test_what_is_left_of_the_state_before_goes_little_by_little() -> None:
    kept, old, new = Kept(), object(), object()
    rows = [ref(row) for row in kept.made("rows", (old,), lambda: [Row() for _ in range(1000)])]
    kept.made("rows", (new,), lambda: [Row()])
    left: list[int] = []
    kept.replaced(lambda: left.append(sum(row() is not None for row in rows)))
    assert left[0] == 1000
    assert max(before - after for before, after in pairwise(left)) <= 100
    assert all(row() is None for row in rows)


def test_what_counts_down_is_made_once_a_second(warm: State) -> None:
    counting = with_map_line(warm, ARRAY, failback_due=NOW + 5.5)
    said(counting, "show topology")
    rows = map_rows(counting, still_rows(counting))
    soon, later = replace(counting, now=NOW + 0.4), replace(counting, now=NOW + 1)
    assert map_rows(soon, still_rows(soon)) is rows
    assert map_rows(later, still_rows(later)) is not rows
    same_as_cold(later)


def counted(name: str = "a piece") -> tuple[Piece[int], list[int]]:
    """A piece of a snapshot, and how often it was made."""
    calls: list[int] = []

    def make(_: State, breathe: Breathe) -> int:
        breathe()
        calls.append(1)
        return len(calls)

    return Piece(name, lambda state: (state.snapshot,), make), calls


def test_a_piece_that_was_asked_for_lately_is_made_before_somebody_asks_again() -> None:
    state = cold(world())
    piece, calls = counted()
    assert piece(state) == piece(state) == 1
    other = replace(state, snapshot=replace(state.snapshot))
    prepare(other, without_pause)
    assert len(calls) == 2
    assert piece(other) == 2
    assert len(calls) == 2


@pytest.mark.parametrize(
    "command", ["show paths", "show topology", "show maps json", "show maps", "show paths raw format %d"]
)
def test_others_are_served_while_a_long_piece_is_made(command: str) -> None:
    state = cold(world())
    said(state, command)
    other = cold(replace(state, snapshot=replace(state.snapshot)))
    other.kept.asked.update(state.kept.asked)
    maps = map_rows(other, still_rows(other))
    breaths: list[int] = []
    prepare(other, lambda: breaths.append(1))
    assert len(breaths) > len(maps)


def test_who_asks_for_ever_other_pieces_has_few_of_them_made_ahead() -> None:
    state = cold(world())
    asked = [counted(f"piece {number}") for number in range(2 * MOST)]
    for piece, _ in asked:
        assert piece(state) == 1
    assert len(state.kept.asked) == MOST
    prepare(replace(state, snapshot=replace(state.snapshot)), without_pause)
    assert sum(len(calls) for _, calls in asked) == 3 * MOST
    prepare(replace(state, now=state.now + LATELY), without_pause)
    assert not state.kept.asked


def test_a_format_that_shows_the_time_is_not_kept() -> None:
    state = cold(world())
    before = said(state, 'show paths format "%d %C"')
    assert said(replace(state, now=state.now + 2), 'show paths format "%d %C"') != before


def test_a_piece_that_nobody_asks_for_is_not_made_again() -> None:
    state = cold(world())
    piece, calls = counted()
    piece(state)
    other = replace(state, snapshot=replace(state.snapshot), now=state.now + LATELY)
    prepare(other, without_pause)
    assert len(calls) == 1
    assert piece not in state.kept.asked
