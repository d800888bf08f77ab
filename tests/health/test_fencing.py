"""When a path's identity must be read again, and what a reading changes."""

import pytest

from controller.reconcile.fencing import SUSPICIOUS, Sign, sign_of_sense, suspects
from controller.reconcile.health import PathMemory, advance, first, identified, kernel_failed, suspect
from desired.identity import Standing
from observers.snapshot import PathState
from tests.health.paths import CARE, NOW, OURS, THEIRS, answer, check, reading, stored

UP, DOWN = PathState.UP, PathState.DOWN


def unread(memory: PathMemory, state: PathState) -> PathMemory:
    """A check at which the device did not say who it is."""
    return advance(memory, answer(state), CARE, now=NOW + 5)


@pytest.mark.parametrize("sign", list(Sign))
def test_a_sign_makes_a_path_suspect_exactly_when_it_is_in_the_table(sign: Sign) -> None:
    after = suspect(stored(UP), [sign], now=NOW + 1)
    assert after.identity_due is (sign in SUSPICIOUS)
    assert after.due == (NOW + 1 if sign in SUSPICIOUS else stored(UP).due)
    assert suspects([Sign.RESET, sign]) == SUSPICIOUS.get(sign, "")


@pytest.mark.parametrize(
    ("sense", "suspicious"),
    [
        ((0x5, 0x25, 0x00), True),
        ((0x6, 0x3F, 0x0E), True),
        ((0x6, 0x3F, 0x03), True),
        ((0x6, 0x29, 0x07), True),
        ((0x6, 0x2A, 0x09), False),
        ((0x6, 0x2A, 0x06), False),
        ((0x6, 0x29, 0x00), False),
        ((0x2, 0x04, 0x0A), False),
    ],
)
def test_sense_data_is_a_sign(sense: tuple[int, int, int], suspicious: bool) -> None:
    sign = sign_of_sense(*sense)
    assert sign is not None
    assert bool(suspects([sign])) is suspicious


def test_other_sense_data_is_no_sign() -> None:
    assert sign_of_sense(0x3, 0x11, 0x00) is None


def test_a_new_path_is_to_say_who_it_is() -> None:
    memory = first(0, CARE, now=NOW)
    assert memory.identity_due
    assert not check(memory, UP).identity_due


@pytest.mark.parametrize("bad", [DOWN, PathState.SHAKY, PathState.TIMEOUT, PathState.REMOVED])
def test_coming_up_makes_identity_due_until_it_is_read(bad: PathState) -> None:
    down = check(stored(UP), bad)
    assert not down.identity_due
    up = unread(down, UP)
    assert (up.state, up.identity.due) == (UP, SUSPICIOUS[Sign.CAME_UP])
    assert not identified(up, reading(up), now=NOW + 6).identity_due


def test_the_reading_of_the_very_check_that_found_the_path_up_counts() -> None:
    assert not check(check(stored(UP), DOWN), UP).identity_due


def test_a_path_that_stayed_up_stays_sure_when_its_identity_is_not_answered_once() -> None:
    memory = stored(UP)
    silent = reading(memory, Standing.UNREAD)
    assert not advance(memory, answer(UP), CARE, now=NOW + 5, reading=silent).identity_due


def test_silence_clears_nothing() -> None:
    memory = suspect(stored(UP), [Sign.SESSION_BACK], now=NOW)
    assert identified(memory, reading(memory, Standing.UNREAD), now=NOW).identity_due


def test_a_reading_that_an_event_overtook_clears_nothing() -> None:
    memory = suspect(stored(UP), [Sign.SESSION_BACK], now=NOW)
    began = reading(memory)
    later = suspect(memory, [Sign.LUNS_CHANGED], now=NOW + 1)
    assert identified(later, began, now=NOW + 2).identity_due
    assert advance(later, answer(UP), CARE, now=NOW + 2, reading=began).identity_due
    assert not identified(later, reading(later), now=NOW + 2).identity_due


def test_a_disconnected_unit_is_suspect_when_it_comes_back_and_before() -> None:
    memory = check(stored(UP), PathState.DISCONNECTED, reading=None)
    assert memory.identity.due == SUSPICIOUS[Sign.NOT_SUPPORTED]


def test_a_path_that_the_kernel_failed_is_down_suspect_and_checked_at_once() -> None:
    memory = kernel_failed(stored(UP), CARE, now=NOW + 3)
    assert (memory.state, memory.identity_due, memory.due, memory.failures) == (DOWN, True, NOW + 3, 1)
    assert kernel_failed(memory, CARE, now=NOW + 4) == memory


def test_a_contradiction_is_a_quarantine_with_both_names() -> None:
    memory = stored(UP)
    lie = reading(memory, Standing.CONTRADICTED, THEIRS)
    after = advance(memory, answer(UP), CARE, now=NOW + 5, reading=lie)
    assert after.quarantined is not None
    assert (after.quarantined.believed, after.quarantined.said, after.quarantined.since) == (OURS, THEIRS, NOW + 5)
    assert str(after.quarantined) == "quarantined: it is to be 3aaa, and its device says that it is 3bbb"


def quarantined() -> PathMemory:
    memory = stored(UP)
    return identified(memory, reading(memory, Standing.CONTRADICTED, THEIRS), now=NOW)


def test_a_quarantine_lasts_through_checks_and_silence_until_identity_agrees_again() -> None:
    memory = quarantined()
    for state in (UP, DOWN, UP, PathState.PENDING):
        memory = unread(memory, state)
        assert memory.quarantined is not None
        assert memory.quarantined.since == NOW
    assert identified(memory, reading(memory), now=NOW + 9).quarantined is None


def test_a_reading_that_an_event_overtook_does_not_end_a_quarantine() -> None:
    memory = quarantined()
    began = reading(memory)
    assert identified(suspect(memory, [Sign.PORT_BACK], now=NOW), began, now=NOW).quarantined is not None


def test_a_contradiction_counts_even_when_an_event_overtook_it() -> None:
    memory = stored(UP)
    lie = reading(memory, Standing.CONTRADICTED, THEIRS)
    later = suspect(memory, [Sign.LUNS_CHANGED], now=NOW)
    assert advance(later, answer(UP), CARE, now=NOW, reading=lie).quarantined is not None


def test_a_device_without_a_name_is_told_by_its_reason() -> None:
    memory = stored(UP)
    lie = reading(memory, Standing.CONTRADICTED)
    no_unit = identified(
        memory, type(lie)(epoch=0, standing=lie.standing, believed=OURS, reason="it is not there"), now=NOW
    )
    assert str(no_unit.quarantined) == "quarantined: it is to be 3aaa, and it is not there"


@pytest.mark.parametrize("state", [UP, DOWN])
@pytest.mark.parametrize("standing", [Standing.CONFIRMED, Standing.CONTRADICTED])
def test_a_check_that_a_sign_overtook_is_made_again_at_once(state: PathState, standing: Standing) -> None:
    memory = stored(state)
    early = reading(memory, standing)
    suspected = suspect(memory, [Sign.PORT_BACK], now=NOW + 1)
    after = check(suspected, UP, now=NOW + 2, reading=early)
    assert after.identity_due
    assert after.due == NOW + 2
    again = check(after, UP, now=NOW + 3)
    assert not again.identity_due
    assert again.due > NOW + 3
