"""The commands of `mpathctl` that ask the running daemon: what it knows, and what it should do.

In: the parsed command line. Out: the daemon's reply on standard output, as text or JSON, and an exit status. The words
are those of the daemon's own language, so `mpathctl fail path sdc` is what `multipathd fail path sdc` is; it works with
multipathd, too. A command that the language does not have is refused here, with those that come near.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict

from controller.cli import commands
from controller.client import patience
from controller.client.channel import Channel, socket_names
from controller.client.daemon import MultipathDaemon
from controller.client.errors import ClientError
from controller.client.program import put
from controller.client.wire import FAILED
from controller.protocol.grammar import ROWS, Refusal, Verb, parse, quoted
from observers.errors import MpathError

_SHOWN = {
    "paths": "the paths that the daemon knows",
    "maps": "the maps that the daemon knows",
    "status": "how many paths are in which state",
    "daemon": "the daemon's process and what it does",
    "blacklist": "the rules that keep devices out, and their exceptions",
    "devices": "the block devices, and which of them are looked after",
    "wildcards": "the letters that --format knows",
}
_WITH_FORMAT = ("paths", "maps")
_WITH_JSON = ("paths", "maps", "status", "daemon")
_OURS = frozenset({"list", "quit"})
"""First words that are no commands here: what is shown is `show`, and every command has its own connection."""

_NO_AGE = "multipath-tools' multipathd can't; leave out --age"

_GOOD = re.compile(r"\b(?:ready|active|running)\b")
_BAD = re.compile(r"\b(?:faulty|failed|offline|timeout|disconnected)\b")
_GREEN, _RED = 32, 31


def add_shown(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """What `mpathctl show` asks the daemon for."""
    for kind, text in _SHOWN.items():
        parser = kinds.add_parser(kind, help=text, description=f"Ask the daemon for {text}.")
        _add_connection(parser)
        if kind in _WITH_FORMAT:
            parser.add_argument("--format", metavar="FORMAT", help="with % and letters, see `mpathctl show wildcards`")
            parser.add_argument("--raw", action="store_true", help="with --format: no header, no columns")
        if kind in _WITH_JSON:
            parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--age", action="store_true", help="say also how old that is, on standard error")
        parser.set_defaults(run=_show, kind=kind)


def add_actions(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """What the daemon can be told to do: a command for each first word of its language."""
    for word in dict.fromkeys(verb.keys[0] for verb in ROWS if verb.keys[0] not in _OURS):
        synopses = ", ".join(_synopsis(verb) for verb in ROWS if verb.keys[0] == word)
        parser = subparsers.add_parser(word, help=f"tell the daemon: {synopses}".replace("%", "%%"))
        _add_connection(parser)
        parser.add_argument("words", nargs="*", metavar="WORD", help="the rest of the command")
        parser.set_defaults(run=_act, verb=word)


def _add_connection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--socket", metavar="NAME", help="the daemon's socket: a path, or an abstract name after @")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, help="default: as configured (uxsock_timeout)")


def _synopsis(verb: Verb) -> str:
    return " ".join(f"{key} {key.upper()}" if key in verb.parameters else key for key in verb.keys)


def _show(options: argparse.Namespace) -> int:
    try:
        age = _age(options) if options.age else ""
        as_json = options.kind in _WITH_JSON and options.json
        text = _JSON[options.kind](options) if as_json else _painted(_reply(options, _command(options)))
        status = put(text, commands.DONE)
    except ClientError as error:
        raise _told(error) from error
    sys.stderr.write(age)
    return status


def _age(options: argparse.Namespace) -> str:
    """How old is what the next reply is made of, at most: it is asked for first."""
    try:
        found = re.match(r"age (\S+)\ncycle (\d+)", _reply(options, "list age"))
    except MpathError as error:
        raise MpathError(f"the daemon does not say how old its replies are: {error}", hint=_NO_AGE) from error
    if found is None:
        raise MpathError("the daemon says nothing of its age that could be understood")
    return f"mpathctl: as of {found[1]} s ago, after cycle {found[2]}\n"


def _command(options: argparse.Namespace) -> str:
    if options.kind in _WITH_FORMAT and options.format:
        return f"show {options.kind}{' raw' if options.raw else ''} format {quoted(options.format)}"
    return f"show {options.kind}"


def _act(options: argparse.Namespace) -> int:
    text = " ".join([options.verb, *map(quoted, options.words)])
    if isinstance(parse(text), Refusal):
        known = "; ".join(_synopsis(verb) for verb in ROWS if verb.keys[0] == options.verb)
        raise MpathError(f"the daemon has no command `{text}`", hint=f"it has: {known}")
    try:
        return put(_reply(options, text), commands.DONE)
    except ClientError as error:
        raise _told(error) from error


def _told(error: ClientError) -> MpathError:
    return MpathError(str(error) or "the daemon did not do it, and does not say why")


def _names(options: argparse.Namespace) -> tuple[str, ...]:
    return (options.socket,) if options.socket else socket_names(os.environ)


def _timeout(options: argparse.Namespace) -> float:
    return options.timeout if options.timeout is not None else patience.configured()


def _reply(options: argparse.Namespace, command: str) -> str:
    with closing(Channel(_names(options), timeout=_timeout(options))) as channel:
        reply = channel.ask(command)
    if reply.startswith(FAILED):
        raise MpathError(
            reply.removeprefix(FAILED).strip() or "the daemon did not do it, and does not say why",
            hint=f"the command was: {command}",
        )
    return reply


def _painted(text: str) -> str:
    """The words that matter in colours, where there are colours."""
    style = commands.style_of(sys.stdout)
    text = _GOOD.sub(lambda found: style.paint(found[0], _GREEN), text)
    return _BAD.sub(lambda found: style.paint(found[0], _RED), text)


# ---- JSON


def _paths_json(options: argparse.Namespace) -> str:
    with MultipathDaemon(_names(options)[0] if options.socket else None, timeout=_timeout(options)) as daemon:
        return _json([asdict(path) for path in daemon.list_paths()])


def _maps_json(options: argparse.Namespace) -> str:
    return _reply(options, "show maps json")


def _daemon_json(options: argparse.Namespace) -> str:
    found = re.match(r"pid (\d+) (\w+)(?: \((.*)\))?", _reply(options, "show daemon"))
    if found is None:
        raise MpathError("the daemon says nothing of its process that could be understood")
    return _json({"pid": int(found[1]), "state": found[2], "pending": found[3]})


def _status_json(options: argparse.Namespace) -> str:
    lines = [line.rsplit(None, 1) for line in _reply(options, "show status").splitlines()]
    pairs = {line[0].rstrip(": "): line[1] for line in lines if len(line) == 2}
    states = {name: int(value) for name, value in pairs.items() if value.isdigit() and name != "paths"}
    return _json({"states": states, "paths": int(pairs.get("paths", 0)), "busy": pairs.get("busy") == "True"})


_JSON: dict[str, Callable[[argparse.Namespace], str]] = {
    "paths": _paths_json,
    "maps": _maps_json,
    "daemon": _daemon_json,
    "status": _status_json,
}


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"
