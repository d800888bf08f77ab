"""`mpathctl show config` and `mpathctl check-config`: the configuration as it is merged, and what is wrong with it.

In: the parsed command line. Out: text on standard output, messages on standard error, an exit status. Files are read
here, at the edge; what they mean is for `desired` to say. Neither command ever changes anything.

`show config` says what multipath-tools 0.14.3's `multipath -t` says, in the same words and bytes and with the same exit
status; with `local` what its `multipath -T` and its daemon's `show config local` say. Intended differences:

* What it crashes or hangs on is refused with a reason: a `polling_interval` of 0, or one that is no number or too large
  while nothing limits it; a `/` in `partition_delimiter` while none was set.
* Where it refuses a configuration without a word, there is one: for expressions in `devices` of which, with a
  `product_blacklist`, it cannot make a rule.
* A suffix of `reservation_key` other than `:aptpl` is an error, where it takes it for none.
* Back-references in the expressions of rules are an error, as are repetitions of repetitions that come to too many:
  they cannot be matched in bounded time and memory.
* Messages carry no time, and a file that is named with `--config` has to be there.

`check-config` is for people, editors and continuous integration: it goes through all files to their ends, and tells
every message, also those that are ours alone, with its place, the line, and what to do.
"""

import argparse
import json
import pwd
import sys
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import TextIO

from controller.cli import commands, terminal
from controller.cli.config_json import config_tree
from controller.cli.config_report import Checked, as_json, as_text
from desired.conf.printer import Present, print_config
from desired.config import Config, ConfigRefused, check_files, load_config
from desired.derive import derive, surroundings_in
from desired.model import ConfigMessage, Verdict
from desired.precedence import DeviceKind
from desired.values import ROOT, Account, Surroundings
from observers import accounts, config_files, system
from observers.config_files import DROP_IN_DIRECTORY, MAIN_FILE
from observers.errors import InputError
from observers.host import ReadHost
from observers.kernel.real_host import RealHost
from observers.reading import Reader
from observers.snapshot import Snapshot, TextFile

NR_OPEN = "/proc/sys/fs/nr_open"
"""The kernel's limit of open files per process."""
_NO_PATHS = frozenset({Verdict.BLACKLISTED, Verdict.NOT_A_DISK})


class Accounts(Mapping[str, Account]):
    """The users of this host, each looked up when it is asked for."""

    def __getitem__(self, name: str, /) -> Account:
        entry = pwd.getpwnam(name)
        return Account(entry.pw_uid, entry.pw_gid)

    def __iter__(self) -> Iterator[str]:
        return (entry.pw_name for entry in pwd.getpwall())

    def __len__(self) -> int:
        return len(pwd.getpwall())


def add_show_config(parser: argparse.ArgumentParser) -> None:
    """The arguments of `mpathctl show config`; those that the whole program has may stand after the command, too."""
    parser.add_argument(
        "local", nargs="?", choices=["local"], help="only what concerns the devices and maps of this host"
    )
    parser.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help=f"default: {MAIN_FILE}")
    parser.add_argument("--config-dir", metavar="DIR", default=argparse.SUPPRESS, help=f"default: {DROP_IN_DIRECTORY}")
    parser.add_argument("--snapshot", metavar="FILE", help="the configuration and the devices of this snapshot")
    parser.add_argument("--json", action="store_true", help="print the sections as JSON")
    parser.set_defaults(run=show_config, after=None)


def add_check_config(parser: argparse.ArgumentParser) -> None:
    """The arguments of `mpathctl check-config`."""
    parser.add_argument("file", metavar="FILE", help="the configuration file")
    parser.add_argument("--config-dir", metavar="DIR", dest="drop_ins", help="read the drop-ins of this directory, too")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when there are warnings")
    parser.set_defaults(run=check_config)


def show_config(options: argparse.Namespace) -> int:
    """`mpathctl show config`. 1: multipath-tools would not start with this configuration."""
    snapshot = commands.snapshot_of(options) if options.local or options.snapshot is not None else None
    if options.snapshot is not None and snapshot is not None:
        files, main = snapshot.config_files, snapshot.main_config
        surroundings = surroundings_in(snapshot)
    else:
        host = commands.host_of(options)
        main = options.config
        # Without the usual main file the built-in values count; a file that somebody names should be there.
        files = _files_of(host, main, options.config_dir, required=main != MAIN_FILE)
        known = Accounts() if options.sandbox is None else {**ROOT, **accounts.observe(Reader(host, "host"), files)}
        surroundings = surroundings_of(host, accounts=known)
    text = _merged(files, main, surroundings, snapshot if options.local else None)
    if text is None:
        return terminal.FAILED
    _write(sys.stdout, json.dumps(config_tree(text), indent=2) + "\n" if options.json else text)
    return terminal.DONE


def _files_of(host: ReadHost, main: str, drop_ins: str | None, *, required: bool) -> tuple[TextFile, ...]:
    """The files' texts. `required`: it is an error that there is no main file."""
    files, gaps = config_files.configuration(host, main, drop_ins)
    if gaps:
        raise InputError("; ".join(f"{gap.subject}: {gap.what}: {gap.reason}" for gap in gaps))
    if required and main not in {file.path for file in files}:
        raise InputError(f"{main}: there is no such file")
    return files


def surroundings_of(host: ReadHost, *, accounts: Mapping[str, Account] | None) -> Surroundings:
    """What the meaning of a configuration depends on, on a host. `accounts`: its users, None: only root is known."""
    reader = Reader(host, "host")
    usual = Surroundings()
    return Surroundings(
        accounts=usual.accounts if accounts is None else accounts,
        nr_open=reader.number(NR_OPEN, "limit of open files") or usual.nr_open,
        native_nvme=system.native_nvme_multipath(reader),
    )


def _merged(
    files: tuple[TextFile, ...], main: str, surroundings: Surroundings, snapshot: Snapshot | None
) -> str | None:
    """The configuration of these files as it is printed; with a snapshot only what concerns its devices. None: it is
    refused, and why was told."""
    try:
        config = load_config(files, main=main, surroundings=surroundings)
    except ConfigRefused as refused:
        _tell(refused.messages, but=refused.because)
        return None
    _tell(config.messages)
    present = _present(config, snapshot) if snapshot is not None else None
    return print_config(config, nr_open=surroundings.nr_open, present=present)


def _tell(messages: Iterable[ConfigMessage], *, but: ConfigMessage | None = None) -> None:
    """The messages of multipath-tools in its words, and of ours none but one."""
    told = (message for message in messages if not message.ours or message is but)
    _write(sys.stderr, "".join(f"{message.text}\n" for message in told))


def _present(config: Config, snapshot: Snapshot) -> Present:
    """The devices of a snapshot that no rule keeps out, in the order in which multipath-tools meets them."""
    admissions = derive(config, snapshot, resident=snapshot.host.daemon is not None).admissions
    outside = {admission.name for admission in admissions if admission.verdict in _NO_PATHS}
    paths = sorted((path for path in snapshot.paths if path.name not in outside), key=attrgetter("sysfs"))
    return Present(
        kinds=[DeviceKind(path.vendor, path.product, path.revision, path.protocol, path.bus) for path in paths],
        maps={each.wwid: each.name for each in snapshot.maps},
    )


def _write(stream: TextIO, text: str) -> None:
    """Write a text as the bytes that it was read from, whatever the stream's encoding is."""
    binary = getattr(stream, "buffer", None)
    if binary is None:
        stream.write(text)
        return
    stream.flush()
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = text.encode("utf-8", "surrogatepass")
    binary.write(data)
    binary.flush()


def check_config(options: argparse.Namespace) -> int:
    """`mpathctl check-config`. 1: there are errors, or (with `--strict`) warnings."""
    checked = _checked(options)
    _write(sys.stdout, as_json(checked) if options.json else as_text(checked))
    return terminal.FAILED if checked.errors or (options.strict and checked.warnings) else terminal.DONE


def _checked(options: argparse.Namespace) -> Checked:
    host = RealHost()
    files = _files_of(host, options.file, options.drop_ins, required=True)
    check = check_files(files, main=options.file, surroundings=surroundings_of(host, accounts=Accounts()))
    return Checked(files=files, messages=check.messages, refused=check.refused)
