"""Snapshots as files: the same snapshot comes back, and what is no snapshot is refused in one clear line."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from observers.collect import collect
from observers.dmtable import DevT, Sectors
from observers.errors import InputError
from observers.snapshot import (
    Bus,
    DeviceName,
    Hex,
    HostFacts,
    Path,
    Snapshot,
    TextFile,
)
from observers.snapshot_json import from_json, to_json
from tests.observers.disks import add_nvme, add_scsi, multipath
from tests.observers.fake_host import DmMap, FakeHost

Document = dict[str, Any]


def example() -> Snapshot:
    host = FakeHost(dm=[multipath(), DmMap("plain", "253:9")], files={"/etc/multipath.conf": b"\xe9 {\n"})
    add_scsi(host)
    add_nvme(host)
    return collect(host)


# ---- there and back

_NUMBERS = st.integers(0, 2**63)
_TEXT = st.text(st.characters(exclude_categories=[]), max_size=12)  # lone surrogates too
_DEVS = st.builds(lambda major, minor: DevT(f"{major}:{minor}"), st.integers(0, 4095), st.integers(0, 2**20 - 1))

_SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: _TEXT,
    int: _NUMBERS,
    float: st.floats(allow_nan=False, allow_infinity=False),
    Hex: st.binary(max_size=40).map(bytes.hex),
}
_BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "dev": _DEVS,
}


def _values(kind: type) -> st.SearchStrategy[Any]:
    """Any value of a noun: every field by its type, those that promise a form by that form."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{item.name: _field(item.name, hints[item.name]) for item in fields(kind)})


def _field(name: str, hint: Any) -> st.SearchStrategy[Any]:
    return _BY_NAME[name] if name in _BY_NAME else _typed(hint)


def _typed(hint: Any) -> st.SearchStrategy[Any]:
    """Like Hypothesis' own, but with lone surrogates in texts, and short."""
    arguments = get_args(hint)
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if hasattr(hint, "__supertype__"):
        return _typed(hint.__supertype__)
    if type(None) in arguments:
        return st.none() | _typed(next(each for each in arguments if each is not type(None)))
    if get_origin(hint) is Mapping:
        return st.dictionaries(_typed(arguments[0]), _typed(arguments[1]), max_size=3)
    if Ellipsis in arguments:
        return st.lists(_typed(arguments[0]), max_size=2).map(tuple)
    if isinstance(hint, type) and is_dataclass(hint):
        return _values(hint)
    return st.from_type(hint)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.deferred(lambda: _values(Snapshot)))
def test_any_snapshot_comes_back_as_it_was(snapshot: Snapshot) -> None:
    assert from_json(to_json(snapshot), origin="f") == snapshot


def test_observed_snapshot_comes_back_as_it_was() -> None:
    snapshot = example()
    assert from_json(to_json(snapshot), origin="f") == snapshot


def test_order_of_udev_properties_is_kept() -> None:
    path = replace(example().paths[0], udev={"B": "1", "A": "2"})
    back = from_json(to_json(replace(example(), paths=(path,))), origin="f")
    assert list(back.paths[0].udev) == ["B", "A"]


def test_file_is_ascii_with_its_format_version_and_a_last_newline() -> None:
    text = to_json(example())
    document = json.loads(text)
    assert text.isascii()
    assert text.endswith("}\n")
    assert list(document) == ["format", "version", "snapshot"]
    assert (document["format"], document["version"]) == ("mpathctl-snapshot", 1)
    assert '\n  "host": {\n' in text
    assert "\\udce9" in text


def test_same_snapshot_gives_the_same_text() -> None:
    assert to_json(example()) == to_json(example())


# ---- what is no snapshot


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        from_json(text, origin="bug.json")
    assert caught.value.hint == "make a new one with: mpathctl snapshot"
    line = str(caught.value)
    assert "\n" not in line
    return line


def changed(change: Callable[[Document], object]) -> str:
    document = json.loads(to_json(example()))
    change(document)
    return json.dumps(document, indent=1)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("", "bug.json: not a snapshot: the file is empty", id="empty"),
        pytest.param(" \n", "bug.json: not a snapshot: the file is empty", id="blank"),
        pytest.param("hello", "bug.json: not JSON: expecting value at line 1, column 1", id="not JSON"),
        pytest.param('{"a": 1} x', "bug.json: not JSON: extra data at line 1, column 10", id="something after it"),
        pytest.param('{"a": NaN}', "bug.json: not JSON: NaN is not a number there", id="NaN"),
        pytest.param("[" * 200_000, "bug.json: not a snapshot: JSON that is nested too deeply", id="nested"),
        pytest.param(
            "[]", 'bug.json: not a snapshot: JSON, but without "format": "mpathctl-snapshot"', id="another document"
        ),
        pytest.param(
            '{"format": "other", "version": 1}',
            'bug.json: not a snapshot: JSON, but without "format": "mpathctl-snapshot"',
            id="another format",
        ),
        pytest.param(
            '{"format": "mpathctl-snapshot", "version": 7, "snapshot": 3}',
            "bug.json: unknown snapshot version 7: this program reads version 1",
            id="a later version",
        ),
        pytest.param(
            '{"format": "mpathctl-snapshot"}',
            "bug.json: unknown snapshot version missing: this program reads version 1",
            id="no version",
        ),
        pytest.param(
            '{"format": "mpathctl-snapshot", "version": true}',
            "bug.json: unknown snapshot version true: this program reads version 1",
            id="a version that is no number",
        ),
        pytest.param(
            '{"format": "mpathctl-snapshot", "version": 1}',
            "bug.json: bad field snapshot: field required",
            id="no content",
        ),
        pytest.param(
            '{"format": "mpathctl-snapshot", "version": 1, "snapshot": {}, "x": 1}',
            "bug.json: bad field x: unknown",
            id="unknown field beside it",
        ),
    ],
)
def test_text_that_is_no_snapshot(text: str, line: str) -> None:
    assert refusal(text) == line


def test_number_of_ten_thousand_digits_is_refused() -> None:
    assert refusal('{"a": ' + "9" * 10_000 + "}").startswith("bug.json: not JSON that this program reads")


@pytest.mark.parametrize("share", [0.001, 0.1, 0.35, 0.5, 0.77, 0.9, 0.99])
def test_snapshot_that_is_cut_off_says_where(share: float) -> None:
    text = to_json(example())
    kept = text[: int(len(text) * share)]
    line = refusal(kept)
    assert "the text is cut off at line " in line
    assert 0 <= kept.count("\n") + 1 - int(line.partition("line ")[2].partition(",")[0]) <= 1


@pytest.mark.parametrize(
    ("change", "line"),
    [
        pytest.param(
            lambda document: document["snapshot"]["paths"][1].update(size="large"),
            "bad field snapshot.paths.1.size: input should be a valid integer, unable to parse string as an integer, "
            "found 'large'",
            id="text for a number",
        ),
        pytest.param(
            lambda document: document["snapshot"]["paths"][0].pop("dev"),
            "bad field snapshot.paths.0.dev: field required",
            id="field missing",
        ),
        pytest.param(
            lambda document: document["snapshot"]["paths"][0].update(colour="red"),
            "bad field snapshot.paths.0.colour: unexpected keyword argument",
            id="unknown field",
        ),
        pytest.param(
            lambda document: document["snapshot"]["maps"][0]["table"]["groups"][1].pop("selector"),
            "bad field snapshot.maps.0.table.groups.1.selector: field required",
            id="deep inside a table",
        ),
        pytest.param(
            lambda document: document["snapshot"]["paths"][0].update(dev="sda"),
            "bad field snapshot.paths.0.dev: input should be MAJOR:MINOR, found 'sda'",
            id="number that is none",
        ),
        pytest.param(
            lambda document: document["snapshot"]["maps"][0]["table"]["groups"][0]["paths"][0].update(dev="8"),
            "bad field snapshot.maps.0.table, path 0: input should be MAJOR:MINOR, found '8'",
            id="number that is none, in a table",
        ),
        pytest.param(
            lambda document: document["snapshot"]["paths"][0].update(page83_device="0083zz"),
            "bad field snapshot.paths.0.page83_device: input should be bytes in hexadecimal",
            id="page that is no hexadecimal",
        ),
        pytest.param(
            lambda document: document["snapshot"].update({"a\nb": 1}),
            "bad field snapshot.'a\\nb': unexpected keyword argument",
            id="line break in a name",
        ),
    ],
)
def test_bad_field_is_named_by_its_path(change: Callable[[Document], object], line: str) -> None:
    assert refusal(changed(change)) == f"bug.json: {line}"


def test_bad_state_lists_what_it_could_be() -> None:
    line = refusal(changed(lambda document: document["snapshot"]["paths"][0]["health"].update(state="nice")))
    assert line.startswith("bug.json: bad field snapshot.paths.0.health.state: input should be 'wild', ")
    assert line.endswith("found 'nice'")


def test_further_faults_are_counted() -> None:
    def two_faults(document: Document) -> None:
        document["snapshot"]["paths"][0].update(size="x")
        document["snapshot"]["paths"][1].update(size="y")

    assert refusal(changed(two_faults)).endswith("found 'x' (and 1 more)")


def test_sixteen_thousand_paths_survive() -> None:
    udev = {f"KEY_{number}": "value" for number in range(30)}
    paths = tuple(
        Path(name=DeviceName(f"sd{n}"), dev=DevT(f"8:{n}"), size=Sectors(n), bus=Bus.SCSI, udev=udev)
        for n in range(16_000)
    )
    facts = HostFacts(kernel_release="6.1", dm_version=None, multipath_target=None)
    snapshot = Snapshot(taken_at=1.5, host=facts, paths=paths, wwids=TextFile("/etc/multipath/wwids", "/3600/\n"))
    assert from_json(to_json(snapshot), origin="f") == snapshot


def test_a_time_that_is_infinite_is_refused() -> None:
    text = to_json(example())
    infinite = re.sub(r'"taken_at": [0-9.]+', '"taken_at": 1e999', text)
    assert infinite != text
    with pytest.raises(InputError, match=r"taken_at.*finite"):
        from_json(infinite, origin="f")


def test_a_device_number_of_thousands_of_digits_is_refused() -> None:
    text = to_json(example()).replace('"8:0"', f'"8:{"0" * 5000}"')
    with pytest.raises(InputError, match="MAJOR:MINOR"):
        from_json(text, origin="f")
