"""NVMe structures as bytes: what is read out of them, and that lengths and counts are not believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observers.kernel import nvme_data
from observers.kernel.nvme_data import AnaGroup, Cns, ControllerName, NamespaceNames, NvmeFormatError
from tests.observers import nvme_answers
from tests.observers.nvme_answers import EUI64, NGUID, UUID


@pytest.mark.parametrize("kind", list(Cns))
def test_identify_says_what_it_wants_in_its_first_dword(kind: Cns) -> None:
    assert nvme_data.identify(kind) == (int(kind), 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("length", "groups_only", "first", "second"),
    [(16, False, 0x0003_800C, 0), (4096, True, 0x03FF_810C, 0), (1 << 20, True, 0xFFFF_810C, 3)],
)
def test_the_length_of_a_log_is_spread_over_two_dwords(length: int, groups_only: bool, first: int, second: int) -> None:
    assert nvme_data.ana_log(length, groups_only=groups_only)[:2] == (first, second)


def test_a_controller_says_who_it_is_and_what_it_reports() -> None:
    data = nvme_answers.controller(constant=False, groups=7, namespaces=300)
    assert nvme_data.controller_name(data) == ControllerName(0x1B36, b"LAB00000001", b"Linux")
    assert nvme_data.supports_ana(data)
    known = nvme_data.ana_capabilities(data)
    assert (known.constant, known.groups, known.namespaces) == (False, 7, 300)


def test_the_head_of_a_controllers_data_says_who_it_is() -> None:
    head = nvme_answers.controller()[: nvme_data.CONTROLLER_HEAD]
    assert nvme_data.supports_ana(head)
    assert nvme_data.controller_name(head).vendor == 0x1B36
    with pytest.raises(NvmeFormatError):
        nvme_data.supports_ana(head[:-1])


def test_a_namespace_says_its_names_and_its_group() -> None:
    data = nvme_answers.namespace(group=3)
    assert nvme_data.ana_group(data) == 3
    names = nvme_data.names_of_namespace(data[nvme_data.NAMESPACE_NAMES])
    assert names == NamespaceNames(nguid=NGUID, eui64=EUI64)


def test_names_of_zeros_are_none() -> None:
    assert nvme_data.names_of_namespace(bytes(24)) == NamespaceNames()


def test_descriptors_say_all_names() -> None:
    data = nvme_answers.descriptors()
    assert nvme_data.names_of_descriptors(data) == NamespaceNames(uuid=UUID, nguid=NGUID, eui64=EUI64)
    used = nvme_data.descriptors_in_use(data)
    assert (len(used), nvme_data.names_of_descriptors(used)) == (52, nvme_data.names_of_descriptors(data))


def test_a_descriptor_of_an_unknown_type_is_passed_over() -> None:
    unknown = bytes([4, 1, 0, 0, 2])
    assert nvme_data.names_of_descriptors(unknown + nvme_answers.descriptors()).uuid == UUID


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x03\x10", id="header cut off"),
        pytest.param(b"\x03\x10\0\0" + bytes(15), id="name cut off"),
        pytest.param(b"\x03\x08\0\0" + bytes(8), id="a UUID of 8 bytes"),
        pytest.param(b"\x01\x10\0\0" + bytes(16), id="an EUI-64 of 16 bytes"),
    ],
)
def test_descriptors_of_another_form_are_refused(data: bytes) -> None:
    with pytest.raises(NvmeFormatError):
        nvme_data.names_of_descriptors(data)


def test_a_log_has_its_groups() -> None:
    log = nvme_answers.ana_log([(1, 1, (1, 2)), (9, 15, ())])
    assert nvme_data.parse_ana_log(log) == (AnaGroup(1, 1, (1, 2)), AnaGroup(9, 15, ()))
    assert nvme_data.ana_log_size(2, 2) == len(log)


@pytest.mark.parametrize("cut", [0, 15, 16, 47, 48, 51])
def test_a_log_that_is_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(NvmeFormatError):
        nvme_data.parse_ana_log(nvme_answers.ana_log([(1, 1, (1,))])[:cut])


def test_a_log_that_claims_millions_of_namespaces_is_refused() -> None:
    log = bytearray(nvme_answers.ana_log([(1, 1, ())]))
    log[20:24] = b"\xff\xff\xff\xff"
    with pytest.raises(NvmeFormatError):
        nvme_data.parse_ana_log(bytes(log))


@given(data=st.binary(max_size=5000))
def test_garbage_is_values_or_refused(data: bytes) -> None:
    for parse in (
        nvme_data.parse_ana_log,
        nvme_data.names_of_descriptors,
        nvme_data.names_of_namespace,
        nvme_data.ana_group,
        nvme_data.ana_capabilities,
        nvme_data.controller_name,
    ):
        try:
            parse(data)
        except NvmeFormatError:
            continue
