"""The users that a configuration mentions, and what becomes of them."""

import errno

import pytest

from controller.sandbox.host import SandboxHost
from controller.sandbox.san import FileSpec, Scenario
from desired.derive import config_in, surroundings_in
from observers.accounts import observe
from observers.collect import collect
from observers.reading import Reader
from observers.snapshot import Account, TextFile
from observers.snapshot_json import from_json, to_json
from tests.observers.fake_host import FakeHost

USERS = b"root:x:0:0:root:/root:/bin/bash\noracle:x:54321:54322::/home/oracle:/bin/bash\nidle:x:7:8::/:/bin/false\n"


def seen(text: str, users: bytes = USERS) -> dict[str, Account]:
    reader = Reader(FakeHost(files={"/etc/passwd": users}), "host")
    found = observe(reader, [TextFile("/etc/multipath.conf", text)])
    assert reader.gaps == []
    return found


def test_a_user_that_is_mentioned_is_known_with_both_ids() -> None:
    assert seen("defaults {\n\tuid oracle\n}\n") == {"oracle": Account(54321, 54322)}


@pytest.mark.parametrize("text", ['uid "oracle"', "gid oracle#", "{ uid 3 } oracle{"])
def test_a_name_is_a_word_however_it_stands(text: str) -> None:
    assert list(seen(text)) == (["oracle"] if "#" not in text else [])


def test_without_the_keywords_the_user_database_is_not_read() -> None:
    host = FakeHost()
    assert observe(Reader(host, "host"), [TextFile("f", "defaults { user_friendly_names yes }")]) == {}
    assert host.asked == []


def test_the_first_of_two_entries_counts() -> None:
    assert seen("uid a", b"a:x:1:2:::\na:x:3:4:::\n") == {"a": Account(1, 2)}


@pytest.mark.parametrize(
    "line", [b"a", b"a:x:1", b"a:x::2::", b"a:x:one:2", b"a:x:-1:2", b"", b"+a::::::", b"\xff:x:1:2"]
)
def test_a_line_that_is_no_user_is_passed_over(line: bytes) -> None:
    assert seen("uid a b", line + b"\nb:x:5:6:::") == {"b": Account(5, 6)}


def test_a_user_database_that_can_not_be_read_is_a_gap() -> None:
    host = FakeHost(files={"/etc/passwd": USERS})
    host.refuse("/etc/passwd", errno.EIO)
    reader = Reader(host, "host")
    assert observe(reader, [TextFile("f", "uid oracle")]) == {}
    assert [(gap.subject, gap.what) for gap in reader.gaps] == [("host", "users")]


def host_with(text: str, *, users: str = "") -> SandboxHost:
    files = [FileSpec("/etc/multipath.conf", text), *([FileSpec("/etc/passwd", users)] if users else [])]
    return SandboxHost(Scenario(files=tuple(files)))


def test_a_name_is_valid_where_the_host_has_that_user() -> None:
    snapshot = collect(host_with("defaults {\n\tuid oracle\n\tgid oracle\n}\n", users=USERS.decode()))
    config = config_in(snapshot)
    assert config.messages == ()
    assert [config.defaults[key].value for key in ("uid", "gid")] == [54321, 54322]


def test_a_name_that_no_user_has_is_told() -> None:
    snapshot = collect(host_with("defaults {\n\tuid oracle\n}\n"))
    assert ["oracle" in message.text for message in config_in(snapshot).messages] == [True]


def test_root_is_known_everywhere() -> None:
    snapshot = collect(host_with("defaults {\n\tuid root\n}\n", users="nobody:x:1:1::/:/\n"))
    assert surroundings_in(snapshot).accounts["root"] == Account(0, 0)
    assert config_in(snapshot).messages == ()


def test_accounts_survive_in_json() -> None:
    snapshot = collect(host_with("defaults {\n\tuid oracle\n}\n", users=USERS.decode()))
    assert from_json(to_json(snapshot), origin="file").accounts == {"oracle": Account(54321, 54322)}
