"""The texts of configuration and state files, the daemon, and facts of the running system."""

import errno

import pytest

from observers import config_files, daemon, system
from observers.config_files import Places, Texts
from observers.reading import Reader
from observers.snapshot import Daemon, Gap, TextFile
from tests.observers.fake_host import FakeHost

MAIN, DROP_INS, STATE = "/etc/multipath.conf", "/etc/multipath/conf.d", "/etc/multipath"


def observe(host: FakeHost) -> Texts:
    return config_files.observe(host, Places())


def test_host_without_any_file_has_no_gap() -> None:
    assert observe(FakeHost()) == Texts()


def test_main_file_comes_first_and_drop_ins_in_the_order_of_their_bytes() -> None:
    names = ["b.conf", "Z.conf", "10-a.conf", "9.conf", "é.conf", ".hidden.conf", "a.conf~", "README", "c.conf.bak"]
    files = {f"{DROP_INS}/{name}": name.encode() for name in names}
    host = FakeHost(files={MAIN: b"defaults {\n}\n", **files}, directories={DROP_INS: names})
    texts = observe(host)
    assert texts.gaps == ()
    assert [file.path.rpartition("/")[2] for file in texts.configuration] == [
        "multipath.conf",
        ".hidden.conf",
        "10-a.conf",
        "9.conf",
        "Z.conf",
        "b.conf",
        "é.conf",
    ]
    assert texts.configuration[0] == TextFile(MAIN, "defaults {\n}\n")


def test_drop_ins_are_read_without_a_main_file() -> None:
    host = FakeHost(files={f"{DROP_INS}/a.conf": b"x"}, directories={DROP_INS: ["a.conf"]})
    assert observe(host).configuration == (TextFile(f"{DROP_INS}/a.conf", "x"),)


def test_bytes_that_are_not_text_survive() -> None:
    host = FakeHost(files={MAIN: b'alias "caf\xe9"\r\n'})
    (file,) = observe(host).configuration
    assert file.text.encode("utf-8", "surrogateescape") == b'alias "caf\xe9"\r\n'


def test_bindings_and_wwids() -> None:
    host = FakeHost(files={f"{STATE}/bindings": b"mpatha 3600\n", f"{STATE}/wwids": b"/3600/\n"})
    texts = observe(host)
    assert texts.bindings == TextFile(f"{STATE}/bindings", "mpatha 3600\n")
    assert texts.wwids == TextFile(f"{STATE}/wwids", "/3600/\n")


@pytest.mark.parametrize("path", [MAIN, f"{STATE}/bindings", f"{STATE}/wwids"])
def test_file_that_cannot_be_read_is_a_gap_about_that_file(path: str) -> None:
    host = FakeHost(files={path: b""})
    host.refuse(path, errno.EACCES)
    assert observe(host).gaps == (Gap(path, "text", "no permission (EACCES, Permission denied); run as root"),)


def test_directory_of_drop_ins_that_cannot_be_read_is_a_gap() -> None:
    host = FakeHost(directories={DROP_INS: []})
    host.refuse(DROP_INS, errno.EIO)
    assert observe(host).gaps == (Gap(DROP_INS, "list of files", "EIO, Input/output error"),)


# ---- daemon


def running(files: dict[str, bytes]) -> tuple[Daemon | None, list[Gap]]:
    reader = Reader(FakeHost(files=files), "host")
    return daemon.running(reader), reader.gaps


def test_daemon_in_the_pidfile_that_lives() -> None:
    files = {"/run/multipathd.pid": b"447\n", "/proc/447/comm": b"multipathd\n"}
    assert running(files) == (Daemon(pid=447, name="multipathd"), [])


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({}, id="no pidfile"),
        pytest.param({"/run/multipathd.pid": b""}, id="pidfile not yet written"),
        pytest.param({"/run/multipathd.pid": b"447\n"}, id="pidfile of a process that ended"),
    ],
)
def test_no_daemon(files: dict[str, bytes]) -> None:
    assert running(files) == (None, [])


def test_pidfile_without_a_number_is_a_gap() -> None:
    found, gaps = running({"/run/multipathd.pid": b"me\n"})
    assert found is None
    assert gaps == [Gap("host", "/run/multipathd.pid", "holds 'me', which is not a process id")]


# ---- system


def test_facts_of_the_system() -> None:
    host = FakeHost(
        files={
            "/proc/sys/kernel/osrelease": b"6.1.0-56-amd64\n",
            "/sys/module/nvme_core/parameters/multipath": b"Y\n",
        },
        links={"/run/udev/control": "/run/udev/control"},
    )
    reader = Reader(host, "host")
    assert system.kernel_release(reader) == "6.1.0-56-amd64"
    assert system.native_nvme_multipath(reader)
    assert system.udev_running(reader)
    assert reader.gaps == []


def test_system_without_nvme_and_udev() -> None:
    reader = Reader(FakeHost(), "host")
    assert not system.native_nvme_multipath(reader)
    assert not system.udev_running(reader)
    assert reader.gaps == []


def test_native_nvme_multipath_that_is_switched_off() -> None:
    host = FakeHost(files={"/sys/module/nvme_core/parameters/multipath": b"N\n"})
    assert not system.native_nvme_multipath(Reader(host, "host"))
