"""Announcements of iSCSI sessions and Fibre Channel hosts as bytes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observers.kernel.transport_event import (
    Transport,
    TransportEvent,
    pack_fc,
    pack_iscsi,
    parse_fc,
    parse_iscsi,
)

# struct iscsi_uevent on a machine with pointers of 8 bytes: nlmsghdr, type, iferror, handle, union u (24), union r.
CONNECTION_ERROR = (
    struct.pack("<IHHII", 16 + 56, 0, 0, 0, 0)
    + struct.pack("<IIQ", 102, 0, 0xFFFF888003A5C000)
    + bytes(24)
    + struct.pack("<IIII", 3, 0, 1011, 0)
)

# struct fc_nl_event: version, transport, magic, type, length; seconds, vendor; host, size, number, code, data.
LINK_DOWN = (
    struct.pack("<IHHII", 16 + 40, 17, 0, 0, 0)
    + struct.pack("<BBHHH", 1, 1, 0xA1B2, 0x0100, 40)
    + struct.pack("<QQHHIII", 1_700_000_000, 0, 5, 4, 77, 0x3, 0)
)

# What Linux 6.1 and 6.12 sent alike (but for time and number) when the link of host 1, of libfc, went down.
LIBFC_LINK_DOWN = bytes.fromhex(
    "38000000 1100 0000 00000000 00000000 01 01 b2a1 0001 2800"
    "b008026b00000000 0000000000000000 0100 0400 06000000 04000000 00000000"
)


def test_a_connection_error_names_its_session() -> None:
    assert parse_iscsi(CONNECTION_ERROR) == (
        TransportEvent(transport=Transport.ISCSI, session=3, kind="connection error"),
    )


def test_a_link_that_goes_down_names_its_host() -> None:
    assert parse_fc(LINK_DOWN) == (TransportEvent(transport=Transport.FC, host=5, kind="link down"),)


def test_what_libfc_says_of_a_link_that_goes_down() -> None:
    assert parse_fc(LIBFC_LINK_DOWN) == (TransportEvent(transport=Transport.FC, host=1, kind="loop reset"),)
    seconds_and_number = (24, 32), (44, 48)
    packed = bytearray(pack_fc(1, 0x4))
    for begin, end in seconds_and_number:
        packed[begin:end] = LIBFC_LINK_DOWN[begin:end]
    assert packed == LIBFC_LINK_DOWN


@pytest.mark.parametrize(
    ("kind", "host", "session", "name"),
    [
        (104, 1, 2, "session destroyed"),
        (105, 2, 1, "session unbound"),
        (106, 2, 1, "session created"),
        (108, 1, None, "interface down"),
        (109, None, 1, "connection login state"),
        (110, 1, None, "host event"),
    ],
)
def test_where_each_iscsi_event_has_its_host_and_its_session(
    kind: int, host: int | None, session: int | None, name: str
) -> None:
    found = parse_iscsi(pack_iscsi(kind, (1, 2, 3)))
    assert found == (TransportEvent(transport=Transport.ISCSI, host=host, session=session, kind=name),)


def test_what_is_meant_for_the_iscsi_daemon_is_no_event() -> None:
    assert parse_iscsi(pack_iscsi(101, (1, 2, 3))) == ()


def test_several_messages_in_one_datagram() -> None:
    assert len(parse_iscsi(pack_iscsi(102, (1, 0, 0)) + pack_iscsi(102, (2, 0, 0)))) == 2


def test_an_event_of_fibre_channel_without_a_name() -> None:
    assert [event.kind for event in parse_fc(pack_fc(1, 0x7777))] == ["event 0x7777"]


@pytest.mark.parametrize("at", [4, 16, 17, 18, 20], ids=["type", "version", "transport", "magic", "message"])
def test_what_is_no_event_of_fibre_channel(at: int) -> None:
    data = pack_fc(1, 3)
    assert parse_fc(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]) == ()


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    for whole in (data, CONNECTION_ERROR[:16] + data, LINK_DOWN[:20] + data):
        parse_iscsi(whole)
        parse_fc(whole)
