"""Replies beside the reference's: every recorded command, and the bytes of its socket."""

import struct
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from controller.protocol.frames import Connection, Phase, encode_message
from controller.protocol.grammar import Command, Trouble, parse, read_keys
from controller.protocol.replies import respond
from controller.protocol.requests import Request, Result
from controller.protocol.state import Action, DaemonLine, PathLine, Reservation, State
from observers.snapshot import PathState
from tests.oracle.cli_reader import (
    ACME,
    NETAPP,
    recorded,
    recorded_state,
    with_map,
    with_map_line,
    with_path,
    without_maps,
)
from tests.oracle.spec import SPEC, spec_json

SHOWN = recorded("cli-show.json") if SPEC.exists() else [("show daemon", "")]
DIALOGUE = recorded("session.json") if SPEC.exists() else [("show daemon", "")]

state = cache(recorded_state)


def numbered(dialogue: list[tuple[str, str]]) -> list[tuple[str, int, str]]:
    """Each command with how often it stood before."""
    before: dict[str, int] = {}
    found = []
    for command, reply in dialogue:
        found.append((command, before.get(command, 0), reply))
        before[command] = before.get(command, 0) + 1
    return found


@pytest.mark.parametrize(("command", "reply"), SHOWN, ids=[command for command, _ in SHOWN])
def test_a_look_at_the_host_is_answered_as_by_the_reference(command: str, reply: str) -> None:
    spec_json("cli", "cli-show.json")
    assert respond(state(), command, root=True) == reply


def as_it_is(now: State) -> State:
    return now


def sdf_reinstated(now: State) -> State:
    return with_path(now, "sdf", PathState.UNCHECKED, active=False)


def sde_failed(now: State) -> State:
    return with_path(now, "sde", PathState.UP, active=False)


def all_disabled(now: State) -> State:
    return with_map_line(with_map_line(now, ACME, queueing_disabled=True), NETAPP, queueing_disabled=True)


def made_again(now: State) -> State:
    """The topology near the end of the dialogue: both maps are new, the one has only sda."""
    now = with_path(now, "sdf", PathState.PENDING, active=True)
    now = with_map(with_map(now, ACME, dev="253:2"), NETAPP, dev="253:3")
    now = with_map_line(now, ACME, action=Action.NONE)
    netapp, acme = now.snapshot.maps
    assert netapp.table is not None
    assert netapp.status is not None
    table = replace(netapp.table, groups=(_first_path(netapp.table.groups[0]),))
    status = replace(netapp.status, groups=(_first_path(netapp.status.groups[0]),))
    only = replace(netapp, table=table, status=status)
    paths = tuple(path for path in now.snapshot.paths if path.name not in ("sdb", "sdc", "sdd"))
    return replace(now, snapshot=replace(now.snapshot, maps=(acme, only), paths=paths))


def _first_path(group: Any) -> Any:
    return replace(group, paths=group.paths[:1])


def no_maps(now: State) -> State:
    return without_maps(now, ACME, NETAPP)


VARIATIONS: dict[tuple[str, int], Callable[[State], State]] = {
    ("show maps status", 0): lambda now: with_map(now, ACME, suspended=True),
    ("show maps status", 1): lambda now: with_map_line(now, ACME, queueing_disabled=True),
    ('show paths raw format "%d %t %T"', 0): sdf_reinstated,
    ('show paths raw format "%d %t %T"', 1): sde_failed,
    ('show maps raw format "%n %Q"', 0): all_disabled,
    ('show maps raw format "%n"', 1): lambda now: without_maps(now, NETAPP),
    ("show topology", 0): made_again,
    ("show maps", 0): no_maps,
    ("show paths", 0): no_maps,
    ("show maps json", 0): no_maps,
    ("getprhold map acme", 0): lambda now: with_map_line(now, ACME, held=Reservation.SET),
}
"""What the dialogue had changed before a command."""


@pytest.mark.parametrize(("command", "before", "reply"), numbered(DIALOGUE))
def test_a_command_of_the_dialogue_is_answered_as_by_the_reference(command: str, before: int, reply: str) -> None:
    spec_json("cli", "session.json")
    now = VARIATIONS.get((command, before), as_it_is)(state())
    answer = respond(now, command, root=True)
    assert (Result.DONE if isinstance(answer, Request) else answer) == reply


TROUBLES = {
    "ENOMEM": Trouble.EMPTY,
    "ESRCH": Trouble.UNKNOWN_LAST,
    "ENOENT": Trouble.UNKNOWN,
    "EINVAL": Trouble.MISSING,
}


def test_commands_are_parsed_as_by_the_reference() -> None:
    cases = spec_json("vectors", "cli.json")["cases"]
    for case in cases:
        keys = read_keys(case["command"] or "")
        if case["parse_rc"] != "ok":
            assert keys is TROUBLES[case["parse_rc"]], case
            continue
        assert not isinstance(keys, Trouble), case
        wanted = [(key["key"], key["param"] or "") for key in case["keys"]]
        assert [(key.means, parameter) for key, parameter in keys] == wanted
        assert isinstance(parse(case["command"]), Command) is case["has_handler"], case
    assert len(cases) == 45


RAW_PID = 28498


def talk(*reads: bytes, uid: int = 0, wait: float = 0.0) -> list[str | None]:
    """What a client that sends these pieces gets; None: the connection is closed."""
    connection = Connection(timeout=4.0)
    now = replace(state(), daemon=DaemonLine(pid=RAW_PID))
    got: list[str | None] = []
    for data in (*reads, None):
        request = connection.receive(data, now=0.0) if data is not None else None
        if data is None:
            connection.expire(now=wait)
        while request or connection.to_send:
            if request:
                answer = respond(now, request.text, root=uid == 0)
                connection.answer(request.ticket, answer if isinstance(answer, str) else Result.DONE, now=0.0)
            reply = bytes(connection.to_send)
            length, body = struct.unpack("@N", reply[:8])[0], reply[8:]
            assert length == len(body)
            got.append(body.decode())
            request = connection.sent(len(reply), now=0.0)
        if connection.phase is Phase.CLOSED:
            return [*got, None]
    return got


def framed(body: bytes) -> bytes:
    return struct.pack("@N", len(body)) + body


IDLE = f"pid {RAW_PID} idle\n\0"


def probe(name: str) -> list[str | None]:
    """The probes of the socket, by their recorded names."""
    single = {
        'normal: length 12 counts NUL, "show daemon\\0"': b"show daemon\0",
        "no NUL in request, length 11": b"show daemon",
        "length 0": b"",
        "length 512 (padded with blanks + NUL)": b"show daemon".ljust(511) + b"\0",
        "length 513": b"show daemon".ljust(512) + b"\0",
        "empty command: length 1, NUL only": b"\0",
        "blank command": b"  \0",
        "newline terminated": b"show daemon\n\0",
        "embedded NUL": b"show daemon\0 and more\0",
        "upper case": b"SHOW DAEMON\0",
        "comment char": b"show daemon # why not\0",
    }
    if name in single:
        return talk(framed(single[name]))
    if name.startswith("uid 65534: "):
        return talk(encode_message(name.removeprefix("uid 65534: ")), uid=65534)
    three = [encode_message(text) for text in ("show daemon", "list path sda", "bogus sda")]
    return {
        "length 2^40": lambda: talk(struct.pack("@N", 1 << 40)),
        "three commands on one connection": lambda: talk(*three),
        "two commands pipelined": lambda: talk(three[0] + three[1]),
        "byte-wise request": lambda: talk(*(bytes([each]) for each in three[0])),
        "incomplete request body (timeout 4 s)": lambda: talk(three[0][:12], wait=4.0),
        "incomplete header": lambda: talk(three[0][:4]),
    }[name]()


PROBES = [each["test"] for each in spec_json("cli", "raw.json")] if SPEC.exists() else ["length 0"]


@pytest.mark.parametrize("name", PROBES)
def test_bytes_are_answered_as_by_the_reference(name: str) -> None:
    (result,) = (each["result"] for each in spec_json("cli", "raw.json") if each["test"] == name)
    got = probe(name)
    replies = [each for each in (result if isinstance(result, list) else [result]) if isinstance(each, dict)]
    if not replies:
        assert got == [None]
        return
    assert len(got) == len(replies)
    for text, wanted in zip(got, replies, strict=True):
        assert text is not None
        assert len(text) == wanted["length"]
        assert text.startswith(wanted["body"].removesuffix("..."))


def test_a_path_without_a_line_shows_its_desired_priority() -> None:
    now = replace(state(), paths={})
    rows = str(respond(now, 'show paths raw format "%d %p %c"', root=True)).splitlines()
    assert rows[0] == "sda 50 tur"
    assert PathLine().priority is None
