"""Prioritizers that ask the device: what they send, and what they make of each answer."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observers.asking import Answer, CcissReady, DirectRead, NvmeAdmin, Question, Repeat, ScsiCommand
from observers.dmtable import DevT, Sectors
from observers.host import Block, ScsiReply
from observers.kernel.scsi import reads_only
from observers.prioritizers import PRIORITIZERS, ask_priority, prioritizer_timeout
from observers.snapshot import Bus, DeviceName, Path, PathState, PrioritySeen, ScsiAddress
from tests.observers import nvme_answers
from tests.observers.dialogues import answering, driven, found
from tests.observers.fake_host import GOOD, check_condition, good, transport_error

DISK = Path(name=DeviceName("sda"), dev=DevT("8:0"), size=Sectors(131072), bus=Bus.SCSI)
NAMESPACE = Path(
    name=DeviceName("nvme0n1"), dev=DevT("259:0"), size=Sectors(131072), bus=Bus.NVME, address=ScsiAddress(0, 1, 1, 3)
)
NO_CONNECT = transport_error(1)
ILLEGAL = check_condition(5, 0x24, 0)
WITHOUT_ANSWER = {"ana": None, "emc": None, "hds": None, "path_latency": None}
"""All others say 0."""


def page(number: int, **bytes_at: int) -> ScsiReply:
    """A VPD page of 128 bytes; `b27=3` puts a 3 at byte 27."""
    data = bytearray(128)
    data[1] = number
    for place, value in bytes_at.items():
        data[int(place.removeprefix("b"))] = value
    return good(bytes(data))


def seen(name: str, *answers: Answer | int, arguments: str = "") -> PrioritySeen:
    path = NAMESPACE if name == "ana" else DISK
    return found(ask_priority(path, name, arguments, timeout=3.0), *answers)


def value(name: str, *answers: Answer | int, arguments: str = "") -> int | None:
    return seen(name, *answers, arguments=arguments).value


def asked(name: str, *answers: Answer | int, arguments: str = "") -> list[Question]:
    path = NAMESPACE if name == "ana" else DISK
    return driven(ask_priority(path, name, arguments, timeout=3.0), answers)[1]


# ---- all of them


NAMES = [each.name for each in PRIORITIZERS]


@pytest.mark.parametrize("name", NAMES)
def test_a_finding_says_who_was_asked_with_which_arguments(name: str) -> None:
    arguments = "preferredsds=ab"
    finding = seen(name, errno.EIO, arguments=arguments)
    assert (finding.prioritizer, finding.arguments) == (name, arguments)


@pytest.mark.parametrize("name", NAMES)
def test_a_call_that_the_kernel_refuses_is_no_answer(name: str) -> None:
    finding = seen(name, errno.ENOTTY, arguments="preferredsds=ab")
    assert finding.value == WITHOUT_ANSWER.get(name, 0)
    assert "ENOTTY" in finding.message


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("ana", "path_latency")])
@pytest.mark.parametrize("reply", [ILLEGAL, NO_CONNECT], ids=["the device refuses", "the transport refuses"])
def test_a_command_that_is_refused_is_no_answer(name: str, reply: ScsiReply) -> None:
    finding = seen(name, reply, arguments="preferredsds=ab")
    assert finding.value == WITHOUT_ANSWER.get(name, 0)
    assert "answered" in finding.message


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("ana", "path_latency")])
def test_nothing_but_reading_commands_is_sent_and_each_has_its_time(name: str) -> None:
    for question in asked(name, good(bytes.fromhex("000000ff0a980a01")), arguments="preferredsds=ab"):
        assert isinstance(question, ScsiCommand)
        assert reads_only(question.cdb)
        assert question.timeout == 3.0


def test_an_unknown_prioritizer_is_an_error_of_the_caller() -> None:
    with pytest.raises(KeyError):
        seen("alua", GOOD)


_REPLIES = st.builds(
    ScsiReply,
    status=st.integers(0, 255),
    host_status=st.integers(0, 65535),
    driver_status=st.integers(0, 65535),
    sense=st.binary(max_size=40),
    data=st.binary(max_size=300),
) | st.binary(max_size=300).map(good)


@given(
    name=st.sampled_from(NAMES),
    arguments=st.text("abcdefims_=0129.x \t", max_size=60)
    | st.sampled_from(["preferredsds=ab", "io_num=20 base_num=2"]),
    data=st.data(),
)
def test_whatever_a_device_answers_a_dialogue_ends_with_a_finding(
    name: str, arguments: str, data: st.DataObject
) -> None:
    def answer(question: Question) -> Answer:
        if data.draw(st.integers(0, 9)) == 0:
            raise OSError(data.draw(st.sampled_from([errno.EIO, errno.ENXIO, errno.ETIMEDOUT])), "refused")
        assert not isinstance(question, Repeat)
        match question:
            case ScsiCommand():
                return data.draw(_REPLIES)
            case DirectRead():
                return Block(data.draw(st.binary(max_size=4)), data.draw(st.floats(0, 1000)))
            case NvmeAdmin():
                assert question.reply_length <= 1 << 16
                return data.draw(st.binary(max_size=700))
            case CcissReady():
                return False

    finding = answering(ask_priority(NAMESPACE, name, arguments, timeout=1.0), answer)
    assert finding.value is None or finding.value >= 0


@pytest.mark.parametrize(
    ("state", "checker_timeout", "seconds"),
    [
        (PathState.DOWN, 30, 0.010),
        (PathState.UP, 30, 30.0),
        (PathState.GHOST, 5, 5.0),
        (PathState.UP, 0, 0.030),
    ],
)
def test_a_path_that_is_down_gets_little_time(state: PathState, checker_timeout: int, seconds: float) -> None:
    assert prioritizer_timeout(state, checker_timeout) == seconds


# ---- emc


EMC = {"b27": 3, "b28": 4, "b30": 4}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"b4": 2, "b5": 0, "b8": 0}, 4, id="owned by its default owner"),
        pytest.param({"b4": 2, "b5": 0, "b8": 1}, 2, id="owned, another is the default owner"),
        pytest.param({"b4": 1, "b5": 1, "b8": 1}, 3, id="bound at its default owner"),
        pytest.param({"b4": 1, "b5": 0, "b8": 1}, 1, id="bound"),
        pytest.param({"b4": 0, "b5": 0, "b8": 1}, 0, id="unbound"),
        pytest.param({"b4": 1, "b5": 0, "b8": 1, "b28": 6}, 1, id="failover mode ALUA"),
        pytest.param({"b4": 1, "b9": 1}, None, id="another revision of the page"),
        pytest.param({"b4": 1, "b27": 2}, None, id="another initiator type"),
        pytest.param({"b4": 1, "b28": 5}, None, id="another failover mode"),
        pytest.param({"b4": 1, "b30": 0}, None, id="arraycommpath off"),
        pytest.param({"b4": 1, "b48": 1}, None, id="not available"),
    ],
)
def test_emc_says_who_owns_the_unit(changes: dict[str, int], expected: int | None) -> None:
    assert value("emc", page(0xC0, **{**EMC, **changes})) == expected


def test_emc_takes_no_other_page() -> None:
    assert value("emc", page(0xC1, **EMC)) is None
    assert asked("emc", page(0xC0, **EMC)) == [
        ScsiCommand(cdb=bytes.fromhex("1201c0008000"), reply_length=128, timeout=3.0)
    ]


# ---- rdac


RDAC = {"b3": 0x2C, "b4": ord("v"), "b5": ord("a"), "b6": ord("c")}


@pytest.mark.parametrize(
    ("access", "preference", "expected"),
    [(0, 0, 0), (1, 0, 2), (0, 1, 4), (0, 2, 1), (1, 1, 6), (1, 2, 3), (0x20, 0, 8), (0x21, 0xF1, 14), (0, 3, 0)],
)
def test_rdac_adds_up_owner_preference_and_mode(access: int, preference: int, expected: int) -> None:
    assert value("rdac", page(0xC9, **RDAC, b8=access, b9=preference)) == expected


@pytest.mark.parametrize("place", ["b3", "b4", "b5", "b6"])
def test_rdac_takes_no_page_of_another_form(place: str) -> None:
    finding = seen("rdac", page(0xC9, **{**RDAC, place: 0}, b8=1))
    assert (finding.value, finding.message) == (0, "volume access control page in unknown format")


# ---- hp_sw


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(GOOD, 4, id="good"),
        pytest.param(check_condition(1, 0, 0), 4, id="recovered"),
        pytest.param(check_condition(2, 0x04, 0x02), 2, id="standby"),
        pytest.param(check_condition(2, 0x04, 0x03), 0, id="not ready otherwise"),
        pytest.param(check_condition(6, 0x2A, 0), 0, id="another unit attention"),
        pytest.param(ILLEGAL, 0, id="illegal request"),
        pytest.param(NO_CONNECT, 0, id="not connected"),
    ],
)
def test_hp_sw_asks_whether_the_unit_is_ready(reply: ScsiReply, expected: int) -> None:
    assert value("hp_sw", reply) == expected


def test_hp_sw_asks_again_after_a_reset_but_not_for_ever() -> None:
    reset = check_condition(6, 0x29, 0)
    assert value("hp_sw", reset, reset, GOOD) == 4
    assert value("hp_sw", reset) == 0
    assert len(asked("hp_sw", reset)) == 5


# ---- hds


def hitachi(ldev: bytes, controller: bytes) -> ScsiReply:
    return good(bytes(40) + b"7501" + ldev + b" " + controller + b"A" + bytes(200))


@pytest.mark.parametrize(
    ("ldev", "controller", "expected"),
    [
        (b"001A", b"0", 1),
        (b"001B", b"0", 0),
        (b"001A", b"1", 0),
        (b"0015", b"9", 1),
        (b"001a", b"0", None),
        (b"00\0A", b"0", None),
        (b"001A", b"A", None),
        (b"001A", b"\0", None),
    ],
)
def test_hds_compares_odd_and_even(ldev: bytes, controller: bytes, expected: int | None) -> None:
    assert value("hds", hitachi(ldev, controller)) == expected


# ---- ontap


def attributes(name: bytes, *, length: int = 24, page: int = 0x41) -> ScsiReply:
    return good(length.to_bytes(4, "big") + bytes.fromhex("0a980a01") + bytes([page, 0, 0, 16]) + name)


def proxy(flags: int) -> ScsiReply:
    return good(b"\0\xc1" + bytes(6) + bytes.fromhex("0a980a00c100") + bytes(5) + bytes([flags]) + bytes(20))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([attributes(b"ism_sw1")], 2, id="iSCSI by software"),
        pytest.param([attributes(b"iswta")], 2, id="iSCSI by software, as older ones call it"),
        pytest.param([attributes(b"ism_sn1")], 3, id="iSCSI by an adapter"),
        pytest.param([attributes(b"fcp"), proxy(0)], 4, id="direct"),
        pytest.param([attributes(b"fcp"), proxy(2)], 1, id="proxy"),
        pytest.param([attributes(b"fcp"), ILLEGAL], 4, id="no word on proxies"),
        pytest.param([attributes(b"fcp"), errno.EIO], 4, id="no call about proxies"),
        pytest.param([attributes(b"fcp"), good(bytes(128))], 4, id="a proxy page of another form"),
        pytest.param([attributes(b"ism_sw", length=8), proxy(2)], 1, id="attributes without a page"),
        pytest.param([attributes(b"ism_sw", page=0x40), proxy(0)], 4, id="attributes of another page"),
        pytest.param([good(bytes(128))], 0, id="attributes of another form"),
        pytest.param([ILLEGAL], 0, id="no attributes"),
    ],
)
def test_ontap_prefers_the_filers_own_ports(answers: list[ScsiReply | int], expected: int) -> None:
    assert value("ontap", *answers) == expected


def test_ontap_sends_the_filers_own_command_and_no_other_of_its_kind_may_be_sent() -> None:
    questions = asked("ontap", attributes(b"fcp"), proxy(0))
    cdbs = [question.cdb for question in questions if isinstance(question, ScsiCommand)]
    assert cdbs == [bytes.fromhex("c000010a980a41800000"), bytes.fromhex("1201c1008000")]
    assert all(reads_only(cdb) for cdb in cdbs)
    for place in range(10):
        changed = bytearray(cdbs[0])
        changed[place] ^= 1
        assert not reads_only(bytes(changed))


# ---- datacore


def datacore(server: bytes) -> ScsiReply:
    return good(bytes(112) + server.ljust(16, b"\0") + bytes(100))


@pytest.mark.parametrize(
    ("arguments", "server", "expected"),
    [
        ("preferredsds=SDS1", b"SDS1", 1),
        ("preferredsds=SDS1", b"siteSDS1b", 1),
        ("preferredsds=SDS1", b"SDS2", 0),
        ("preferredsds=SDS1", b"SD\0SDS1", 0),
        ("preferredsds=SDS1 timeout=500", b"SDS1", 1),
        ("timeout=500 preferredsds=SDS1", b"SDS1", 1),
        ("preferredsds=S", b"S", 0),
        ("SDS1", b"SDS1", 0),
        ("", b"SDS1", 0),
    ],
)
def test_datacore_looks_for_the_preferred_server(arguments: str, server: bytes, expected: int) -> None:
    assert value("datacore", datacore(server), arguments=arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        ("preferredsds=SDS1", 3.0),
        ("preferredsds=SDS1 timeout=500", 0.5),
        ("timeout=0x20 preferredsds=SDS1", 0.032),
        ("timeout=010 preferredsds=SDS1", 0.008),
        ("preferredsds=SDS1 timeout=x", 3.0),
        ("preferredsds=SDS1 timeout=-5", 3.0),
    ],
)
def test_datacore_may_have_a_time_of_its_own(arguments: str, seconds: float) -> None:
    (question,) = asked("datacore", datacore(b"SDS1"), arguments=arguments)
    assert isinstance(question, ScsiCommand)
    assert question.timeout == seconds


@pytest.mark.parametrize("arguments", ["", "x", "preferredsds=S", "timeout=5"])
def test_datacore_asks_nothing_when_it_does_not_know_whom_to_prefer(arguments: str) -> None:
    assert asked("datacore", datacore(b"SDS1"), arguments=arguments) == []


# ---- path_latency


def took(seconds: float) -> Block:
    return Block(b"x" * 512, seconds)


@pytest.mark.parametrize(
    ("seconds", "arguments", "expected"),
    [
        (0.0, "", 31),
        (0.000001, "", 31),
        (0.00015, "", 23),
        (0.0015, "", 19),
        (0.015, "", 15),
        (1.0, "", 7),
        (100.0, "", 0),
        (101.0, "", 0),
        (0.0015, "io_num=20 base_num=10", 4),
        (0.0015, "base_num=2 io_num=20", 16),
        (0.0015, "base_num=1.1\tio_num=200", 116),
    ],
)
def test_path_latency_is_a_logarithm_of_the_time(seconds: float, arguments: str, expected: int) -> None:
    assert value("path_latency", took(seconds), arguments=arguments) == expected


def test_path_latency_is_of_the_mean_of_the_logarithms() -> None:
    answers = [took(0.0001), took(0.01)] * 10
    assert value("path_latency", *answers, arguments="io_num=20 base_num=10") == 5


@pytest.mark.parametrize(
    ("arguments", "reads"),
    [
        ("", 100),
        ("io_num=20 base_num=1.1", 20),
        ("io_num=200 base_num=10", 200),
        ("io_num=19 base_num=10", 100),
        ("io_num=201 base_num=10", 100),
        ("io_num=50 base_num=10.5", 100),
        ("io_num=50 base_num=1", 100),
        ("io_num=50", 100),
        ("base_num=2", 100),
        ("x io_num=50 base_num=2", 100),
        ("io_num= base_num=2", 100),
        ("io_num=50 base_num=", 100),
    ],
)
def test_path_latency_reads_as_often_as_it_is_told_within_limits(arguments: str, reads: int) -> None:
    assert asked("path_latency", took(0.001), arguments=arguments) == [DirectRead(timeout=3.0)] * reads


def test_path_latency_does_not_go_on_after_a_failed_read() -> None:
    assert len(asked("path_latency", took(0.001), errno.EIO)) == 2
    assert value("path_latency", Block(b"", 0.001)) is None
    assert value("path_latency", Block(b"x" * 512, 0.001, whole=False)) is None


# ---- ana


OPTIMIZED, NON_OPTIMIZED, INACCESSIBLE, LOST, CHANGE = 1, 2, 3, 4, 15


@pytest.mark.parametrize(
    ("state", "expected"),
    [(OPTIMIZED, 50), (NON_OPTIMIZED, 10), (INACCESSIBLE, 1), (CHANGE, 1), (LOST, 0), (7, None), (0, None)],
)
def test_ana_says_the_state_of_the_namespaces_group(state: int, expected: int | None) -> None:
    log = nvme_answers.ana_log([(1, OPTIMIZED if state != OPTIMIZED else LOST, ()), (2, state, ())])
    assert value("ana", nvme_answers.controller(), nvme_answers.namespace(group=2), log) == expected


def test_ana_looks_for_the_namespace_itself_where_groups_may_change() -> None:
    log = nvme_answers.ana_log([(1, LOST, (1, 2)), (2, NON_OPTIMIZED, (3, 4))])
    assert value("ana", nvme_answers.controller(constant=False), log) == 10


@pytest.mark.parametrize("group", [0, 9])
def test_ana_can_not_tell_of_a_group_that_is_not_in_the_log(group: int) -> None:
    log = nvme_answers.ana_log([(1, OPTIMIZED, (3,))])
    finding = seen("ana", nvme_answers.controller(), nvme_answers.namespace(group=group), log)
    assert (finding.value, "ANA log" in finding.message) == (None, True)


def test_ana_can_not_tell_where_the_controller_has_none() -> None:
    finding = seen("ana", nvme_answers.controller(ana=False))
    assert (finding.value, finding.message) == (None, "the controller does not support ANA")


def test_ana_can_not_tell_of_a_log_that_is_cut_off() -> None:
    log = nvme_answers.ana_log([(1, OPTIMIZED, ()), (2, OPTIMIZED, ())])[:-1]
    assert value("ana", nvme_answers.controller(), nvme_answers.namespace(group=2), log) is None


def test_ana_reads_groups_only_and_leaves_the_event_to_the_kernel() -> None:
    questions = asked("ana", nvme_answers.controller(groups=5), nvme_answers.namespace(), nvme_answers.ana_log([]))
    commands = [(each.opcode, each.namespace, each.words[0]) for each in questions if isinstance(each, NvmeAdmin)]
    length = 16 + 5 * 32
    assert commands == [(6, 0, 1), (6, 0, 0), (2, 0xFFFFFFFF, (length // 4 - 1) << 16 | 1 << 15 | 1 << 8 | 0x0C)]
    assert isinstance(questions[2], NvmeAdmin)
    assert questions[2].reply_length == length


def test_ana_does_not_believe_any_size() -> None:
    huge = nvme_answers.controller(constant=False, groups=0xFFFFFFFF, namespaces=0xFFFFFFFF)
    questions = asked("ana", huge, nvme_answers.namespace(), nvme_answers.ana_log([(1, OPTIMIZED, ())]))
    assert max(each.reply_length for each in questions if isinstance(each, NvmeAdmin)) == 1 << 16
