"""The targets of the fuzzing without its engine: seeds and words mixed at random, and what the engine once found."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.target import SPLIT
from tests.fuzz.targets import TARGETS

_RECORDING = TARGETS["recording"].seeds[0]

FOUND = {
    "repetitions of repetitions, counted twice at each level": (
        "configuration",
        b'blacklist {\n devnode "!^' + b"+" * 24 + b"?" * 30 + b'\n devnode "a' + b"+" * 24 + b"?" * 30 + b'"\n}\n',
    ),
    "an empty group, very often": ("expression", b"(((){9999}){9999}){9999}" + SPLIT + b"a"),
    "a recording that does not say by whom and when": (
        "recording",
        b'{"format": "mpathctl-recorder", "version": 1}',
    ),
    "a recorded time that is none": ("recording", _RECORDING.replace(b'"at": 1.5', b'"at": "x"')),
    "a recorded step on a map that is not ours": ("recording", _RECORDING.replace(b'"mpath-', b'"crypt-')),
    "a recorded plan that looks again at no time": (
        "recording",
        _RECORDING.replace(b'"wake_at": null', b'"wake_at": "x"'),
    ),
    "words of a table that were in quotes": ("scenario", b'map m u\n table 0 8 error "a  b" "#" ""\n'),
}


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_taken(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].examine(seed)


@pytest.mark.parametrize(("name", "data"), FOUND.values(), ids=FOUND)
def test_what_was_found_is_no_seed(name: str, data: bytes) -> None:
    assert data not in TARGETS[name].seeds


@pytest.mark.parametrize(("name", "data"), FOUND.values(), ids=FOUND)
def test_what_was_found_does_no_harm_any_more(name: str, data: bytes) -> None:
    TARGETS[name].examine(data)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60)
@given(data=st.data())
def test_any_mixture_of_words_and_seeds_is_a_value_or_an_error_of_ours(name: str, data: st.DataObject) -> None:
    target = TARGETS[name]
    pieces = st.sampled_from(target.words) | st.binary(max_size=3)
    mixed = data.draw(st.lists(pieces, max_size=25).map(b"".join))
    seed = data.draw(st.sampled_from((b"", *target.seeds)))
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(seed))] * 2)))
    target.examine(seed[:start] + mixed + seed[end:])
