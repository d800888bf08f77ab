"""Who an NVMe namespace is: what is asked, what of the answers is kept, and the WWIDs that they spell."""

import errno
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observers.asking import Answer, NvmeAdmin, Question
from observers.identity_nvme import ask_identity, supports_ana, wwids_of
from observers.nvme_inquiry import identify
from observers.snapshot import Gap, Hex, NvmeIdentity, Path
from tests.nvme_builders import nvme_identity, nvme_path, uuid_name
from tests.observers import nvme_answers
from tests.observers.dialogues import answering, driven, found
from tests.observers.nvme_answers import EUI64, NGUID, UUID

NAMESPACE, CONTROLLER, DESCRIPTORS = 0, 1, 3
FRESH = replace(nvme_path(0), nvme_identity=None, priority_seen=None)


def asked(path: Path, *answers: Answer | int) -> list[int]:
    """What Identify was asked for."""
    questions = driven(ask_identity(path, timeout=2.0), answers)[1]
    assert all(isinstance(each, NvmeAdmin) and each.opcode == 6 and each.timeout == 2.0 for each in questions)
    return [each.words[0] for each in questions if isinstance(each, NvmeAdmin)]


EVERYTHING = [nvme_answers.descriptors(), nvme_answers.controller()]


def test_the_list_of_descriptors_is_enough_and_the_controller_is_asked_once() -> None:
    assert asked(FRESH, *EVERYTHING) == [DESCRIPTORS, CONTROLLER]
    known = found(ask_identity(FRESH, timeout=2.0), *EVERYTHING).identity
    assert asked(replace(FRESH, nvme_identity=known), nvme_answers.descriptors()) == [DESCRIPTORS]


def test_what_the_controller_said_before_is_kept() -> None:
    known = replace(FRESH, nvme_identity=nvme_identity())
    answered = found(ask_identity(known, timeout=2.0), nvme_answers.descriptors())
    assert answered.identity.controller == nvme_identity().controller


def test_a_namespace_that_is_not_who_sysfs_says_is_asked_for_all_its_names() -> None:
    other = replace(FRESH, wwid_attribute=uuid_name("0" * 31 + "1"))
    assert asked(other, nvme_answers.descriptors(), nvme_answers.namespace(), nvme_answers.controller()) == [3, 0, 1]


def test_a_name_made_of_the_controllers_data_is_compared_with_that_data_as_it_is_now() -> None:
    path = replace(nvme_path(0), wwid_attribute="nvme.1b36-00-00-00000001")
    assert CONTROLLER in asked(path, nvme_answers.descriptors(), nvme_answers.namespace(), nvme_answers.controller())


def test_only_what_says_who_it_is_is_kept() -> None:
    other = replace(FRESH, wwid_attribute="eui.0")
    answers = (nvme_answers.descriptors(), nvme_answers.namespace(), nvme_answers.controller())
    answered = found(ask_identity(other, timeout=2.0), *answers)
    assert answered.identity == nvme_identity()
    assert answered.refusals == ()


def test_what_was_refused_is_said() -> None:
    answered = found(ask_identity(FRESH, timeout=2.0), errno.EIO, nvme_answers.namespace(), b"short")
    assert answered.identity == replace(nvme_identity(), descriptors=None, controller=None)
    assert [refusal.partition(":")[0] for refusal in answered.refusals] == [
        "namespace identification descriptors",
        "Identify Controller",
    ]


MADE_UP = f"nvme.1b36-{b'LAB00000001'.hex()}-{b'Linux'.hex()}-00000003"


@pytest.mark.parametrize(
    ("identity", "names"),
    [
        (nvme_identity(), [uuid_name(UUID), f"eui.{NGUID}", f"eui.{EUI64}", MADE_UP]),
        (nvme_identity(uuid="", nguid=""), [f"eui.{EUI64}", MADE_UP]),
        (nvme_identity(uuid="", nguid="", eui64=""), [MADE_UP]),
        (replace(nvme_identity(), controller=None, descriptors=None), [f"eui.{NGUID}", f"eui.{EUI64}"]),
        (nvme_identity(uuid="0" * 32, nguid="0" * 32, eui64="0" * 16), [MADE_UP]),
        (NvmeIdentity(), []),
    ],
)
def test_the_names_are_those_that_the_kernel_makes(identity: NvmeIdentity, names: list[str]) -> None:
    assert list(wwids_of(identity, namespace=3)) == names


@pytest.mark.parametrize(
    ("identity", "known"),
    [
        (nvme_identity(), True),
        (nvme_identity(ana=False), False),
        (None, None),
        (NvmeIdentity(), None),
        (NvmeIdentity(controller=Hex("00")), None),
    ],
)
def test_whether_there_is_ana_is_the_controllers_word(identity: NvmeIdentity | None, known: bool | None) -> None:
    assert supports_ana(identity) is known


def test_a_refusal_on_the_way_to_a_confirmed_identity_is_no_gap() -> None:
    path = replace(FRESH, wwid_attribute=f"eui.{NGUID}")
    told = found(identify(path), errno.EIO, nvme_answers.namespace(), nvme_answers.controller())
    assert told.gaps == ()


def test_a_namespace_that_does_not_answer_is_a_gap_for_each_question() -> None:
    told = found(identify(FRESH), errno.EIO)
    assert told.path.nvme_identity == NvmeIdentity()
    assert told.gaps[0] == Gap(
        "nvme0n1", "NVMe identity", "namespace identification descriptors: EIO, Input/output error"
    )
    assert len(told.gaps) == 3


@given(data=st.data())
def test_whatever_a_device_answers_it_is_told_who_it_is_or_not(data: st.DataObject) -> None:
    good = [nvme_answers.descriptors(), nvme_answers.controller(), nvme_answers.namespace()]

    def answer(_question: Question) -> Answer:
        kind = data.draw(st.integers(0, 3))
        if kind == 0:
            raise OSError(errno.EIO, "refused")
        garbage = data.draw(st.sampled_from(good) | st.binary(max_size=200))
        return garbage[: data.draw(st.integers(0, 4096))] if kind == 1 else garbage

    told = answering(identify(FRESH), answer)
    assert told.path.nvme_identity is not None
    wwids_of(told.path.nvme_identity, namespace=1)
