"""Steps on md arrays."""

import errno
from dataclasses import dataclass, field, replace

import pytest

from actuators.md import apply_md, apply_one
from actuators.steps import (
    AddMdMember,
    Changed,
    Lost,
    MdRef,
    MdStep,
    Outcome,
    ReAddMdMember,
    Refused,
    RemoveMdMember,
    Unchanged,
)
from observers.dmtable import DevT
from observers.snapshot import DeviceName

from .scripted import ScriptedHost

UUID = "7f2301cc-57d0-b207-644f-77cf597cd811"
MD = "/sys/block/md0/md"
REF = MdRef(DeviceName("md0"), UUID)
RE_ADD = ReAddMdMember(array=REF, dev=DevT("8:0"), name=DeviceName("sda"))
REMOVE = RemoveMdMember(array=REF, dev=DevT("8:0"), name=DeviceName("sda"))
ADD = AddMdMember(array=REF, dev=DevT("8:0"), name=DeviceName("sda"), slot=2)
STEPS: tuple[MdStep, ...] = (RE_ADD, REMOVE, ADD)


@dataclass
class Array(ScriptedHost):
    """md0 in files; a write is kept, and a number in `new_dev` makes a member of sda."""

    spare_at_once: bool = field(default=False)

    def list_directory(self, path: str, /) -> tuple[str, ...]:
        below = {file.removeprefix(f"{path}/").split("/")[0] for file in self.files if file.startswith(f"{path}/")}
        return tuple(sorted(below))

    def write_attribute(self, path: str, data: bytes, /) -> None:
        super().write_attribute(path, data)
        if path == f"{MD}/new_dev":
            self.files |= member("spare", slot="5" if self.spare_at_once else "none")


@dataclass
class Leaving(Array):
    """Of the member that was removed, its link to the device is gone, and some looks later all else is."""

    looks: int = 0

    def list_directory(self, path: str, /) -> tuple[str, ...]:
        self.looks += 1
        if self.looks > LOOKS:
            self.files = {file: text for file, text in self.files.items() if not file.startswith(f"{MD}/dev-sda/")}
        return super().list_directory(path)


LOOKS = 3


def test_a_member_that_was_just_removed_is_added_when_it_has_left() -> None:
    files = {file: text for file, text in array("faulty").files.items() if not file.endswith("/block/dev")}
    host = Leaving(files=files)
    assert apply_one(host, ADD) == Changed()
    assert host.looks > LOOKS


def member(state: str, *, slot: str = "none", number: str = "8:0") -> dict[str, bytes]:
    texts = {"state": state, "slot": slot, "block/dev": number}
    return {f"{MD}/dev-sda/{name}": f"{text}\n".encode() for name, text in texts.items()}


def array(state: str = "faulty", *, slot: str = "none", number: str = "8:0", **changes: str) -> Array:
    """`state` empty: sda is no member."""
    texts = {"level": "multipath", "uuid": UUID, **changes}
    files = {f"{MD}/{name}": f"{text}\n".encode() for name, text in texts.items()}
    files["/sys/class/block/sda/dev"] = f"{number}\n".encode()
    return Array(files=files | (member(state, slot=slot, number=number) if state else {}))


@pytest.mark.parametrize(
    ("step", "state", "written"),
    [
        (RE_ADD, "faulty", [(f"{MD}/dev-sda/state", b"re-add")]),
        (REMOVE, "faulty", [(f"{MD}/dev-sda/state", b"remove")]),
        (ADD, "", [(f"{MD}/new_dev", b"8:0"), (f"{MD}/dev-sda/slot", b"2")]),
        (ADD, "spare", [(f"{MD}/dev-sda/slot", b"2")]),
        (replace(ADD, slot=None), "", [(f"{MD}/new_dev", b"8:0")]),
    ],
    ids=["re-add", "remove", "add", "give a spare its place", "add as a spare"],
)
def test_what_is_written(step: MdStep, state: str, written: list[tuple[str, bytes]]) -> None:
    host = array(state)
    assert apply_one(host, step) == Changed()
    assert host.written == written


@pytest.mark.parametrize(
    ("step", "host"),
    [
        (RE_ADD, array("in_sync", slot="0")),
        (REMOVE, array("")),
        (ADD, array("in_sync", slot="1")),
        (replace(ADD, slot=None), array("spare")),
    ],
    ids=["works again", "not in the array", "has a place", "is a spare"],
)
def test_what_is_so_already(step: MdStep, host: Array) -> None:
    assert apply_one(host, step) == Unchanged()
    assert host.written == []


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
@pytest.mark.parametrize(
    "changes", [{"level": "raid1"}, {"uuid": "00000000-0000-0000-0000-000000000001"}, {"uuid": ""}], ids=repr
)
def test_another_array_is_left_alone(step: MdStep, changes: dict[str, str]) -> None:
    host = array("faulty", **changes)
    assert isinstance(apply_one(host, step), Lost)
    assert host.written == []


@pytest.mark.parametrize("state", ["faulty", ""])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_another_device_under_the_name_is_left_alone(step: MdStep, state: str) -> None:
    host = array(state, number="8:32")
    assert isinstance(apply_one(host, step), Unchanged if step is REMOVE and not state else Lost)
    assert host.written == []


@pytest.mark.parametrize(("step", "state"), [(REMOVE, "in_sync"), (ADD, "faulty")], ids=["works again", "failed again"])
def test_a_member_that_changed_is_lost(step: MdStep, state: str) -> None:
    host = array(state)
    assert isinstance(apply_one(host, step), Lost)
    assert host.written == []


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_an_array_that_is_gone_is_lost(step: MdStep) -> None:
    assert isinstance(apply_one(Array(), step), Lost)


def refused(step: MdStep, state: str, file: str, error: int) -> Outcome:
    host = array(state)
    host.file_errors = {f"write {file}": error}
    return apply_one(host, step)


@pytest.mark.parametrize("error", [errno.EBUSY, errno.EINVAL, errno.ENXIO, errno.EACCES, errno.EIO])
@pytest.mark.parametrize(
    ("step", "state", "file"),
    [(RE_ADD, "faulty", f"{MD}/dev-sda/state"), (REMOVE, "faulty", f"{MD}/dev-sda/state"), (ADD, "", f"{MD}/new_dev")],
    ids=["re-add", "remove", "add"],
)
def test_a_refusal_says_what_was_written(step: MdStep, state: str, file: str, error: int) -> None:
    outcome = refused(step, state, file, error)
    assert isinstance(outcome, Refused)
    assert outcome.error == error
    assert file in outcome.message
    assert outcome.hint


@pytest.mark.parametrize("error", [errno.EEXIST, errno.ENOSPC, errno.EBUSY], ids=errno.errorcode.get)
def test_a_place_that_is_not_given_is_refused_so_that_it_is_not_tried_without_end(error: int) -> None:
    outcome = refused(ADD, "spare", f"{MD}/dev-sda/slot", error)
    assert isinstance(outcome, Refused)
    assert outcome.error == error


def test_a_place_that_md_gave_itself_is_kept() -> None:
    host = array("")
    host.spare_at_once = True
    assert apply_one(host, ADD) == Changed()
    assert host.written == [(f"{MD}/new_dev", b"8:0")]


def test_a_refusal_ends_the_steps_of_that_member_alone() -> None:
    host = array("faulty")
    host.file_errors = {f"write {MD}/dev-sda/state": errno.EBUSY}
    other = replace(REMOVE, name=DeviceName("sdb"), dev=DevT("8:16"))
    told: list[MdStep] = []
    outcomes = apply_md(host, [REMOVE, ADD, other], on_outcome=lambda step, _: told.append(step))
    assert [step for step, _ in outcomes] == told == [REMOVE, other]
    assert outcomes[1][1] == Unchanged()
