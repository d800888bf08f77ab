"""Whose turn it is: nobody waits for all of somebody else's."""

from controller.runtime.turns import Turns


def taken(turns: Turns[str]) -> list[str]:
    return [turns.take() for _ in range(len(turns))]


def test_owners_take_turns_and_those_of_one_come_in_their_order() -> None:
    turns: Turns[str] = Turns()
    for number in range(4):
        turns.add(1, number, f"many {number}")
    turns.add(2, 10, "one")
    turns.add(3, 11, "another")
    assert taken(turns) == ["many 0", "one", "another", "many 1", "many 2", "many 3"]
    assert len(turns) == 0


def test_who_comes_while_somebody_has_many_waits_for_one() -> None:
    turns: Turns[str] = Turns()
    for number in range(100):
        turns.add(1, number, "many")
    assert turns.take() == "many"
    turns.add(2, 200, "one")
    assert [turns.take(), turns.take()] == ["many", "one"]


def test_who_waits_already_keeps_the_place_and_wants_something_else() -> None:
    turns: Turns[str] = Turns()
    turns.add(1, 1, "read")
    turns.add(1, 2, "read")
    turns.add(1, 1, "write")
    assert taken(turns) == ["write", "read"]
