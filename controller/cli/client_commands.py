"""The commands of `mpathctl` that ask the running daemon: what it knows, and what it should do.

In: the parsed command line. Out: the daemon's reply on standard output, as text or JSON, and an exit status. The words
are those of the daemon's own language, so `mpathctl fail path sdc` is what `multipathd fail path sdc` is; it works with
multipathd, too. A command that the language does not have is refused here, with those that come near.
"""

import argparse
import json
import re
import sys
from contextlib import closing
from dataclasses import asdict

from controller.cli import connection, reply_json, terminal
from controller.client.daemon import MultipathDaemon
from controller.client.errors import ClientError
from controller.client.program import put
from controller.protocol.grammar import KEYS, ROWS, Refusal, Verb, parse, quoted
from observers.errors import InputError, MpathError

_SHOWN = {
    "paths": "the paths that the daemon knows",
    "maps": "the maps that the daemon knows",
    "status": "how many paths are in which state",
    "daemon": "the daemon's process and what it does",
    "blacklist": "the rules that keep devices out, and their exceptions",
    "devices": "the block devices, and which of them are looked after",
    "wildcards": "the letters that --format knows",
    "age": "how old what its replies are made of is",
}
_WITH_FORMAT = ("paths", "maps")
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
        connection.add_options(parser)
        forms = parser.add_mutually_exclusive_group()
        forms.add_argument("--json", action="store_true", help="print JSON")
        if kind in _WITH_FORMAT:
            forms.add_argument("--format", metavar="FORMAT", help="with % and letters, see `mpathctl show wildcards`")
            parser.add_argument("--raw", action="store_true", help="with --format: no header, no columns")
        parser.add_argument("--age", action="store_true", help="say also how old that is, on standard error")
        parser.set_defaults(run=_show, kind=kind, usage_error=parser.error)


def add_actions(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """What the daemon can be told to do: a command for each first word of its language."""
    for word in dict.fromkeys(verb.keys[0] for verb in ROWS if verb.keys[0] not in _OURS):
        synopses = ", ".join(_synopsis(verb) for verb in ROWS if verb.keys[0] == word)
        parser = subparsers.add_parser(
            word, aliases=_also(word), help=f"tell the daemon: {synopses}".replace("%", "%%")
        )
        connection.add_options(parser)
        parser.add_argument("--json", action="store_true", help="print the reply as JSON")
        parser.add_argument("words", nargs="*", metavar="WORD", help="the rest of the command")
        parser.set_defaults(run=_act, verb=word)


def _also(word: str) -> list[str]:
    """The other words of the daemon's language that mean the same."""
    return [key.word for key in KEYS if key.means == word and key.word != word]


def _synopsis(verb: Verb) -> str:
    return " ".join(f"{key} {key.upper()}" if key in verb.parameters else key for key in verb.keys)


def _show(options: argparse.Namespace) -> int:
    if options.kind in _WITH_FORMAT and options.raw and options.format is None:
        options.usage_error("argument --raw: says how --format prints, so it needs --format")
    try:
        age = _age(options) if options.age else ""
        text = _shown_as_json(options) if options.json else _painted(_reply(options, _command(options)))
        status = put(text, terminal.DONE)
    except ClientError as error:
        raise _told(error) from error
    sys.stderr.write(age)
    return status


def _age(options: argparse.Namespace) -> str:
    """How old is what the next reply is made of, at most: it is asked for first."""
    try:
        found = re.match(r"age (\S+)\ncycle (\d+)", _reply(options, "list age"))
    except InputError:
        raise
    except MpathError as error:
        raise MpathError(f"the daemon does not say how old its replies are: {error}", hint=_NO_AGE) from error
    if found is None:
        raise MpathError("the daemon says nothing of its age that could be understood")
    return f"mpathctl: as of {found[1]} s ago, after cycle {found[2]}\n"


def _command(options: argparse.Namespace) -> str:
    if options.kind in _WITH_FORMAT and options.format is not None:
        return f"show {options.kind}{' raw' if options.raw else ''} format {quoted(options.format)}"
    return f"show {options.kind}"


def _act(options: argparse.Namespace) -> int:
    text = " ".join([options.verb, *map(quoted, options.words)])
    if isinstance(parse(text), Refusal):
        known = "; ".join(_synopsis(verb) for verb in ROWS if verb.keys[0] == options.verb)
        raise MpathError(f"the daemon has no command `{text}`", hint=f"it has: {known}")
    try:
        reply = _reply(options, text)
        return put(_json(reply_json.done(reply)) if options.json else reply, terminal.DONE)
    except ClientError as error:
        raise _told(error) from error


def _told(error: ClientError) -> MpathError:
    return MpathError(str(error) or "the daemon did not do it, and does not say why")


def _reply(options: argparse.Namespace, command: str) -> str:
    with closing(connection.connect(options)) as channel:
        return connection.ask(channel, command)


def _painted(text: str) -> str:
    """The words that matter in colours, where there are colours."""
    style = terminal.style_of(sys.stdout)
    text = _GOOD.sub(lambda found: style.paint(found[0], _GREEN), text)
    return _BAD.sub(lambda found: style.paint(found[0], _RED), text)


# ---- JSON


def _shown_as_json(options: argparse.Namespace) -> str:
    if options.kind == "maps":
        return _reply(options, "show maps json")
    if options.kind == "paths":
        return _paths_json(options)
    return _json(reply_json.SHOWN[options.kind](_reply(options, _command(options))))


def _paths_json(options: argparse.Namespace) -> str:
    names = connection.names(options)
    with MultipathDaemon(names[0] if options.socket else None, timeout=connection.timeout(options)) as daemon:
        return _json([asdict(path) for path in daemon.list_paths()])


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"
