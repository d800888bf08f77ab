"""What is fuzzed: for each reader of foreign bytes a function that feeds it, and says what may come of that.

In: bytes. Out: nothing; an exception is a defect. What a reader may raise is caught here, and each target also checks
what holds for every input (what was printed can be read, a message has a place).
"""

import contextlib
import json
from dataclasses import replace

from actuators.steps import Changed
from controller.cli import replay_command
from controller.cli.config_report import Checked, as_json, as_text
from controller.cli.recording_reader import read_recording
from controller.protocol.frames import Connection, ReplyReader, encode_message, encode_request
from controller.protocol.grammar import KEYS, OUR_KEYS
from controller.protocol.replies import respond
from controller.protocol.requests import Request
from controller.protocol.state import DaemonLine, State
from controller.reconcile.orders import NO_ORDERS
from controller.reconcile.plan import Memory
from controller.runtime.deciding import decide
from controller.runtime.recorder import Applied, Cycle, Ordered
from controller.runtime.recording import lines
from controller.runtime.replaying import replay
from controller.sandbox.scenario import parse_scenario
from controller.sandbox.scenario_text import format_scenario
from desired.conf.parser import parse
from desired.conf.printer import print_config, print_tree
from desired.config import MAIN_FILE, check_files, load_config
from desired.derive import derive
from desired.hwtable import ARRAYS
from desired.naming import HEADER, Bindings
from desired.observed import remembered
from desired.options import GRAMMAR
from desired.regex import BadExpression, compile_expression, compile_pattern
from observers.dmtable import Sectors, TableSyntax, format_status, format_table, parse_status, parse_table
from observers.errors import ConfigError, InputError, ProtocolError
from observers.snapshot import Alias, TextFile, Wwid
from observers.snapshot_json import from_json, to_json
from tests.builders import EVERYTHING, san_snapshot, unit_wwid
from tests.fuzz.device_targets import DEVICE_TARGETS
from tests.fuzz.target import SPLIT, Target, bounded, text_of, words_of

LONGEST_NAME = 255
"""Bytes of what expressions are compared with: names of devices, udev properties, inquiry data, WWIDs."""


def _files(data: bytes) -> tuple[TextFile, ...]:
    main, *drop_ins = data.split(SPLIT)
    names = (f"/etc/multipath/conf.d/{number}.conf" for number in range(len(drop_ins)))
    rest = (TextFile(name, text_of(text)) for name, text in zip(names, drop_ins, strict=True))
    return (TextFile(MAIN_FILE, text_of(main)), *rest)


def parsing(data: bytes) -> None:
    """Parse one file; every message has its place in it."""
    file = TextFile(MAIN_FILE, text_of(data))
    with bounded("parse"):
        parsed = parse(file)
    with bounded("print_tree"):
        print_tree(parsed.tree)
    lines = file.text.count("\n") + 1
    assert all(0 <= message.line <= lines for message in parsed.messages), "a message has no place"


def printing(data: bytes) -> None:
    """Merge and print; what was printed can be read."""
    with contextlib.suppress(ConfigError):
        config = load_config(_files(data))
        with bounded("print_config"):
            printed = print_config(config)
        load_config((TextFile(MAIN_FILE, printed),))


def configuration(data: bytes) -> None:
    """Merge, check and report."""
    files = _files(data)
    with contextlib.suppress(ConfigError), bounded("load_config"):
        load_config(files)
    with bounded("check_files"):
        checked = check_files(files)
    report = Checked(files=files, messages=checked.messages, refused=checked.refused)
    with bounded("as_text"):
        as_text(report).encode()
    with bounded("as_json"):
        written = as_json(report).encode()
    assert len(json.loads(written)["messages"]) == len(checked.messages)


_HOST = san_snapshot(3, 2)


def deriving(data: bytes) -> None:
    """Derive with the configuration, for a few maps of different arrays."""
    with contextlib.suppress(ConfigError):
        files = _files(data)
        with bounded("derive"):
            derive(load_config(files), replace(_HOST, config_files=files), resident=True)


def expression(data: bytes) -> None:
    """Compile an expression and look for it."""
    pattern, _, text = data.partition(SPLIT)
    for compiled in (compile_pattern, compile_expression):
        with contextlib.suppress(BadExpression), bounded("expression"):
            compiled(text_of(pattern[:1023])).matches(text_of(text[:LONGEST_NAME]))


def snapshot_json(data: bytes) -> None:
    """Read a snapshot; what was read can be written, and is then the same."""
    with contextlib.suppress(InputError):
        with bounded("from_json"):
            snapshot = from_json(text_of(data), origin="fuzz")
        assert from_json(to_json(snapshot), origin="fuzz") == snapshot


def tables(data: bytes) -> None:
    """Read a table and a status; what was read is written as one that is read the same."""
    text, size = text_of(data), Sectors(1)
    with contextlib.suppress(TableSyntax):
        with bounded("parse_table"):
            table = parse_table(size, text)
        assert parse_table(size, format_table(table)) == table
    with contextlib.suppress(TableSyntax):
        with bounded("parse_status"):
            status = parse_status(size, text)
        assert parse_status(size, format_status(status)) == status


def naming(data: bytes) -> None:
    """The files of bindings and of WWIDs; what was read is written as one that is read the same. No name is given
    twice."""
    text = text_of(data)
    with bounded("Bindings.parse"):
        bindings = Bindings.parse(text)
        remembered(text)
    again = Bindings.parse(bindings.text)
    assert (again.aliases, again.wwids, again.must_write) == (bindings.aliases, bindings.wwids, False)
    kept, wwids = TextFile("/etc/multipath/bindings", text), TextFile("/etc/multipath/wwids", text)
    with bounded("derive"):
        desired = derive(_FRIENDLY, replace(_HOST, bindings=kept, wwids=wwids), resident=True)
    names = [each.alias for each in desired.maps]
    assert len(set(names)) == len(names)


def recording(data: bytes) -> None:
    """A flight recorder's file, which can then be decided again."""
    with contextlib.suppress(InputError):
        with bounded("read_recording"):
            found = read_recording(text_of(data), origin="fuzz")
        told = list(replay(found.entries))
        assert "".join(replay_command._lines(found, told))
        assert replay_command._json(found, told)


_FRIENDLY = load_config((TextFile(MAIN_FILE, "defaults {\n user_friendly_names yes\n find_multipaths no\n}\n"),))


def scenario(data: bytes) -> None:
    """Read a scenario; what was read is written as one that is read the same."""
    with contextlib.suppress(ConfigError, InputError):
        with bounded("parse_scenario"):
            read = parse_scenario(text_of(data), file="fuzz.san")
        assert parse_scenario(format_scenario(read), file="fuzz.san") == read


def socket_bytes(data: bytes) -> None:
    """Each part is one read of the daemon, or of its client. What is understood is answered by a line."""
    connection, reader = Connection(timeout=4.0), ReplyReader()
    for now, read in enumerate(data.split(SPLIT)):
        with contextlib.suppress(ProtocolError):
            reader.receive(read)
        connection.expire(now=now)
        request = connection.receive(read, now=now)
        while request is not None:
            answer = respond(_STATE, request.text, root=True)
            reply = "ok\n" if isinstance(answer, Request) else answer
            assert reply.endswith("\n")
            assert connection.answer(request.ticket, reply, now=now)
            assert bytes(connection.to_send) == encode_message(reply)
            request = connection.sent(len(connection.to_send), now=now)


_LANGUAGE = words_of(
    (row.keyword for rows in GRAMMAR.values() for row in rows.values()),
    (word for rows in GRAMMAR.values() for row in rows.values() for word in row.kind.words),
    (option.vendor for option in ARRAYS[:5]),
    ("{\n", "}\n", '"', '""', "#", "!", "\n", " ", "0", "-1", "4294967295", "99999999999999999999", "yes", "no", "/"),
    ("scsi:fcp", "[", "(a", "a{2}", ".*", "\0", "\r", "\u00e9", SPLIT.decode(), "1 alua", "0x1:aptpl", "%n", "5"),
    ("wwid 36001405\n", "defaults {\n", "devices {\ndevice {\nvendor x\nproduct y\n", "multipaths {\nmultipath {\n"),
)
_CONFIGURATIONS = (
    EVERYTHING.encode(),
    b'blacklist {\n devnode "!^sd[a-z]"\n device {\n  vendor "A.*"\n  product B\n }\n protocol "scsi:sas"\n}\n',
    b"defaults {\n polling_interval 5\n max_polling_interval 20\n no_path_retry queue\n user_friendly_names yes\n}\n"
    + SPLIT
    + b"overrides {\n protocol {\n  type scsi:fcp\n  fast_io_fail_tmo 5\n }\n}\n",
    b'devices {\n device {\n  vendor A\n  product "B""C"\n  product_blacklist L\n  features "1 retain"\n }\n}\n',
    f"multipaths {{\n multipath {{\n  wwid {unit_wwid(1)}\n  alias one\n  mode 0600\n }}\n}}\n".encode(),
)

_CONFIG = load_config(_HOST.config_files)
_STATE = State(
    snapshot=_HOST,
    desired=derive(_CONFIG, _HOST, resident=True),
    config=_CONFIG,
    daemon=DaemonLine(pid=1),
    now=0.0,
    observed_at=0.0,
)

_SCENARIO = """host
    time 2025-01-01T00:00:00
array a
    vendor V
    product P
    revision 1
    node 0x5
    tpgs implicit
    group 1 active/optimized p1 p2
    lun 0-3 size 1G naa 600140500000{nnnn} serial s{nn}
adapter 3 fc 0x21
    sees a p1 p2
map m mpath-x
    table 0 8 multipath 0 0 0 0
file /etc/multipath.conf <<END
defaults {
END
at 5s state a:1 standby
now offline sda
"""

_NOW = 5.0
_MEMORY = Memory(resident=True)
_PLAN = decide(_CONFIG, _HOST, _MEMORY, _NOW, orders=NO_ORDERS)[0].plan
_STEPS = [step for each in _PLAN.maps for step in each.steps]
_RECORDING = "".join(
    f"{line}\n"
    for line in lines(
        (
            Cycle(
                number=1,
                now=_NOW,
                scope=None,
                idle=frozenset(),
                orders=NO_ORDERS,
                memory=_MEMORY,
                given=True,
                snapshot=_HOST,
                plan=_PLAN,
            ),
            Applied(now=_NOW, plan=_PLAN, outcomes=((_STEPS[0], Changed()),)),
            Ordered(
                now=_NOW,
                request="suspend map a",
                deed="suspend",
                map=Alias("a"),
                wwid=Wwid("3a"),
                path="",
                outcome=Changed(),
            ),
        ),
        at=1.5,
    )
)

TARGETS = {
    **DEVICE_TARGETS,
    "parsing": Target(parsing, _LANGUAGE, _CONFIGURATIONS),
    "printing": Target(printing, _LANGUAGE, _CONFIGURATIONS),
    "configuration": Target(configuration, _LANGUAGE, _CONFIGURATIONS),
    "deriving": Target(deriving, _LANGUAGE, _CONFIGURATIONS),
    "expression": Target(
        expression,
        words_of(
            (
                "[[:alpha:]]",
                "[^]",
                "[a-z]",
                "{1,2}",
                "{,9}",
                "{255}",
                "{32767}",
                "()",
                "(a|b)",
                "*",
                "+",
                "?",
                "^",
                "$",
            ),
            (
                "\\w",
                "\\b",
                "\\<",
                "\\>",
                "\\`",
                "\\'",
                "\\1",
                "[.-.]",
                "[=a=]",
                "|",
                "!",
                ".",
                SPLIT.decode(),
                "\u00e9",
            ),
        ),
        (
            b"^(sd[a-z]|dasd[a-z])" + SPLIT + b"sdaa",
            b"!(a*){2,9}$" + SPLIT + b"aaab",
            b"[[:digit:]]+|\\<x" + SPLIT + b"1",
        ),
    ),
    "snapshot_json": Target(
        snapshot_json,
        words_of(
            ("[", "]", "{", "}", ",", ":", '"', "null", "true", "1e999", "-1", "NaN", '"\\udcff"', '"8:0"', '"paths"')
        ),
        (to_json(san_snapshot(1, 1, existing=1)).encode(), b'{"format": "mpathctl-snapshot", "version": 1}'),
    ),
    "tables": Target(
        tables,
        words_of(
            ("0 ", "1 ", "2 ", "8:0 ", "A ", "E ", "F ", "service-time ", "1 alua ", "99999999999999999999 ", "\u00b2 ")
        ),
        (b"0 1 alua 1 1 service-time 0 2 1 8:0 1 8:16 1", b"2 0 0 0 1 1 A 0 2 2 8:0 A 0 0 1 8:16 F 3 0 1"),
    ),
    "socket_bytes": Target(
        socket_bytes,
        words_of(
            (f"{key.word} " for key in (*KEYS, *OUR_KEYS)),
            ("sda", "8:0", "dm-0", "%d", '"', "%", "#", SPLIT.decode(), "\x0c\0\0\0\0\0\0\0"),
        ),
        (
            b"".join(map(encode_request, ("show daemon", 'show paths format "%d %w"', "del path sda"))),
            encode_request("list maps json")[:8] + SPLIT + encode_request("list maps json")[8:],
        ),
    ),
    "scenario": Target(
        scenario,
        words_of(
            (
                "host\n",
                "array ",
                "adapter ",
                "sees ",
                "map ",
                "table 0 8 linear\n",
                "file ",
                "<<END\n",
                "END\n",
                "at ",
                "now ",
            ),
            (
                "vendor ",
                "product ",
                "group ",
                "lun ",
                "size ",
                "naa ",
                "serial ",
                "owner ",
                "{nn}",
                "0-16383",
                "5s ",
                "1e9s ",
            ),
            ("tpgs both\n", "handler rdac\n", "release ", "time ", "udev off\n", '"', "#", "\n", "\u00b2", "\u2028"),
        ),
        (_SCENARIO.encode(),),
    ),
    "naming": Target(
        naming,
        words_of(
            (HEADER, "mpatha ", "mpathaaaaaaa ", "mpath", " ", "\t", "#", "\r", "\n", "/", "3600a"), f"{unit_wwid(0)}\n"
        ),
        (f"{HEADER}mpatha {unit_wwid(1)}\nmpathc 3600a\n".encode(), f"/{unit_wwid(2)}/\n".encode()),
    ),
    "recording": Target(
        recording,
        words_of(
            ("[", "]", "{", "}", ",", ":", '"', "null", "true", "1e999", "-1", "\n", '{"value": 0, "is": 1}\n', '"is"')
        ),
        (_RECORDING.encode(),),
    ),
}
