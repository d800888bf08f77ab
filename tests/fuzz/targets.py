"""What is fuzzed: for each reader of foreign bytes a function that feeds it, and says what may come of that.

In: bytes. Out: nothing; an exception is a defect. What a reader may raise is caught here, and each target also checks
what holds for every input (what was printed can be read, a message has a place).
"""

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from controller.cli.config_report import Checked, as_json, as_text
from controller.protocol.frames import Connection, ReplyReader, encode_message, encode_request
from controller.protocol.grammar import KEYS, OUR_KEYS
from controller.protocol.replies import respond
from controller.protocol.requests import Request
from controller.protocol.state import DaemonLine, State
from controller.sandbox.scenario import parse_scenario
from controller.sandbox.scenario_text import format_scenario
from desired.conf.parser import parse
from desired.conf.printer import print_config, print_tree
from desired.config import MAIN_FILE, check_files, load_config
from desired.derive import derive
from desired.hwtable import ARRAYS
from desired.options import GRAMMAR
from desired.regex import BadExpression, compile_expression, compile_pattern
from desired.reservations import recorded, rewritten
from desired.values import ReservationKey
from observers import identity, mdstat
from observers.dmtable import Sectors, TableSyntax, format_status, format_table, parse_status, parse_table
from observers.errors import ConfigError, InputError, ProtocolError
from observers.kernel import dm_ioctl, md_superblock, reservation
from observers.kernel.scsi import ScsiFormatError
from observers.snapshot import TextFile, Wwid
from observers.snapshot_json import from_json, to_json
from tests.builders import EVERYTHING, page83, san_snapshot, unit_wwid

LONGEST_INPUT = 64 * 1024
"""Bytes."""
BOUND = 1.0
"""Seconds of processor time that no reader may take for such an input."""

SPLIT = b"\n%%\n"
"""Parts the files of a configuration, and an expression from the text in which it is looked for."""
LONGEST_NAME = 255
"""Bytes of what expressions are compared with: names of devices, udev properties, inquiry data, WWIDs."""


class TookTooLong(Exception):
    """A reader was slower than the bound. `reader`: which one."""

    def __init__(self, reader: str, seconds: float) -> None:
        super().__init__(f"{reader} took {seconds:.1f} s")
        self.reader = reader


@contextlib.contextmanager
def bounded(reader: str) -> Iterator[None]:
    """Raises `TookTooLong` where what is done inside takes longer than the bound."""
    began = time.process_time()
    try:
        yield
    finally:
        spent = time.process_time() - began
        if spent > BOUND:
            raise TookTooLong(reader, spent)


@dataclass(frozen=True, slots=True)
class Target:
    """A reader. `words`: pieces of its language, for whoever makes inputs; `seeds`: inputs that it takes."""

    examine: Callable[[bytes], None]
    words: tuple[bytes, ...]
    seeds: tuple[bytes, ...]


def _text(data: bytes) -> str:
    """As the observers decode files and the kernel's texts."""
    return data.decode("utf-8", "surrogateescape")


def _files(data: bytes) -> tuple[TextFile, ...]:
    main, *drop_ins = data.split(SPLIT)
    names = (f"/etc/multipath/conf.d/{number}.conf" for number in range(len(drop_ins)))
    rest = (TextFile(name, _text(text)) for name, text in zip(names, drop_ins, strict=True))
    return (TextFile(MAIN_FILE, _text(main)), *rest)


def parsing(data: bytes) -> None:
    """Parse one file; every message has its place in it."""
    file = TextFile(MAIN_FILE, _text(data))
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
            compiled(_text(pattern[:1023])).matches(_text(text[:LONGEST_NAME]))


def snapshot_json(data: bytes) -> None:
    """Read a snapshot; what was read can be written, and is then the same."""
    with contextlib.suppress(InputError):
        with bounded("from_json"):
            snapshot = from_json(_text(data), origin="fuzz")
        assert from_json(to_json(snapshot), origin="fuzz") == snapshot


def tables(data: bytes) -> None:
    """Read a table and a status; what was read is written as one that is read the same."""
    text, size = _text(data), Sectors(1)
    with contextlib.suppress(TableSyntax):
        with bounded("parse_table"):
            table = parse_table(size, text)
        assert parse_table(size, format_table(table)) == table
    with contextlib.suppress(TableSyntax):
        with bounded("parse_status"):
            status = parse_status(size, text)
        assert parse_status(size, format_status(status)) == status


def md(data: bytes) -> None:
    """A superblock of md, of each version; and the text of /proc/mdstat."""
    for version in md_superblock.VERSIONS:
        with bounded(f"md_superblock.unpack {version}"), contextlib.suppress(md_superblock.MdFormatError):
            assert len(md_superblock.unpack(data, version).uuid) == _UUID_LENGTH
    with bounded("mdstat.parse"):
        for array in mdstat.parse(data.decode("utf-8", "surrogateescape")).arrays:
            assert array.name


def reservations(data: bytes) -> None:
    """What a device says of persistent reservations, and the file of keys."""
    for read in (reservation.decode_keys, reservation.decode_holder, reservation.decode_parameters):
        with bounded(f"reservation.{read.__name__}"), contextlib.suppress(ScsiFormatError):
            read(data)
    text = data.decode("utf-8", "surrogateescape")
    with bounded("reservations.recorded"):
        before = recorded(text)
        after = recorded(rewritten(text, _UNIT, _KEY))
        assert after == {**before, _UNIT: _KEY}
        assert recorded(rewritten(text, _UNIT, None)) == {wwid: key for wwid, key in before.items() if wwid != _UNIT}


_UNIT, _KEY = Wwid("3600a"), ReservationKey(0xABC, aptpl=True)
_UUID_LENGTH = 36
_SUPERBLOCKS = tuple(
    md_superblock.Superblock(version=version, uuid=str(uuid.UUID(int=1)), level=-4, disks=3)
    for version in md_superblock.VERSIONS
)


def pages(data: bytes) -> None:
    """Read VPD pages 0x80 and 0x83."""
    readers: tuple[Callable[[bytes], object], ...] = (
        identity.page83_wwid,
        identity.page83_wwids,
        identity.target_port_group,
        identity.page80_serial,
    )
    for reader in readers:
        with contextlib.suppress(ProtocolError), bounded("identity"):
            reader(data)


def dm_buffers(data: bytes) -> None:
    """Read what device-mapper sends. The first byte is a count, and chooses between request and reply."""
    count, payload = data[0] if data else 0, data[1:]
    readers: tuple[Callable[[bytes], object], ...] = (
        dm_ioctl.unpack,
        lambda buffer: dm_ioctl.unpack_targets(buffer, count >> 1, reply=bool(count & 1)),
        dm_ioctl.unpack_devices,
        dm_ioctl.unpack_versions,
        dm_ioctl.unpack_deps,
        dm_ioctl.unpack_message,
        dm_ioctl.unpack_text,
    )
    for reader in readers:
        with contextlib.suppress(ProtocolError), bounded("dm_ioctl"):
            reader(payload)


def scenario(data: bytes) -> None:
    """Read a scenario; what was read is written as one that is read the same."""
    with contextlib.suppress(ConfigError, InputError):
        with bounded("parse_scenario"):
            read = parse_scenario(_text(data), file="fuzz.san")
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


def _words(*texts: str | Iterable[str]) -> tuple[bytes, ...]:
    flat = [word for text in texts for word in ([text] if isinstance(text, str) else text)]
    return tuple(dict.fromkeys(word.encode() for word in flat))


_LANGUAGE = _words(
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

_DEVICES = (dm_ioctl.ListedDevice("a", _HOST.paths[0].dev, 1, "u"), dm_ioctl.ListedDevice("b", _HOST.paths[1].dev))
_TARGETS = (dm_ioctl.Target(0, 8, "multipath", "0 0 0 0"), dm_ioctl.Target(8, 8, "error", ""))
_DESIGNATORS = bytes.fromhex(page83(unit_wwid(1), group=1))

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

TARGETS = {
    "parsing": Target(parsing, _LANGUAGE, _CONFIGURATIONS),
    "printing": Target(printing, _LANGUAGE, _CONFIGURATIONS),
    "configuration": Target(configuration, _LANGUAGE, _CONFIGURATIONS),
    "deriving": Target(deriving, _LANGUAGE, _CONFIGURATIONS),
    "expression": Target(
        expression,
        _words(
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
        _words(
            ("[", "]", "{", "}", ",", ":", '"', "null", "true", "1e999", "-1", "NaN", '"\\udcff"', '"8:0"', '"paths"')
        ),
        (to_json(san_snapshot(1, 1, existing=1)).encode(), b'{"format": "mpathctl-snapshot", "version": 1}'),
    ),
    "tables": Target(
        tables,
        _words(
            ("0 ", "1 ", "2 ", "8:0 ", "A ", "E ", "F ", "service-time ", "1 alua ", "99999999999999999999 ", "\u00b2 ")
        ),
        (b"0 1 alua 1 1 service-time 0 2 1 8:0 1 8:16 1", b"2 0 0 0 1 1 A 0 2 2 8:0 A 0 0 1 8:16 F 3 0 1"),
    ),
    "pages": Target(pages, (b"\x00\x83\x00\x14", b"\x00\x80\x00\x04", b"naa.", b"eui.", b"iqn."), (_DESIGNATORS,)),
    "dm_buffers": Target(
        dm_buffers,
        (b"\x38\x01\x00\x00", b"\x00\x00\x00\x00", b"multipath\x00"),
        (
            b"\x00" + dm_ioctl.pack(dm_ioctl.Header(name="m"), b"x"),
            b"\x05" + dm_ioctl.pack_targets(_TARGETS, reply=True),
            b"\x04" + dm_ioctl.pack_targets(_TARGETS, reply=False),
            b"\x00" + dm_ioctl.pack_devices(_DEVICES),
            b"\x00" + dm_ioctl.pack_versions((dm_ioctl.TargetVersion("multipath", (1, 14, 0)),)),
            b"\x00" + dm_ioctl.pack_deps([path.dev for path in _HOST.paths]),
            b"\x00" + dm_ioctl.pack_message("fail_path 8:0"),
        ),
    ),
    "md": Target(
        md,
        (b"\xfc\x4e\x2b\xa9", b"Personalities : [multipath] \n", b"md0 : active raid1 ", b"a[0](F) "),
        (
            *(md_superblock.pack(block, member_sectors=Sectors(4096)) for block in _SUPERBLOCKS),
            b"Personalities : [raid1] \nmd1 : active (read-only) raid1 sdb[1](W)(S) sda[0]\nunused devices: <none>\n",
        ),
    ),
    "reservations": Target(
        reservations,
        (b"0x0000000000000abc 3600a\n", b"0X", b"#x", b" 3600b\n", b"\x00\x00\x00\x10"),
        (
            reservation.encode_keys((1, 2), generation=3),
            reservation.encode_holder(5, 5, generation=1),
            rewritten(None, _UNIT, _KEY).encode(),
        ),
    ),
    "socket_bytes": Target(
        socket_bytes,
        _words(
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
        _words(
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
}
