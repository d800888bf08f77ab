"""The commands of `mpathctl` that look into a running daemon: `events`, `metrics`, `age` and `dump`.

In: the parsed command line. Out: what the daemon says, as text or JSON, and an exit status. Events are asked for once a
second by their numbers, so a client that is slow, or stopped, costs the daemon nothing. Only the client library is
imported. multipath-tools' daemon knows none of these commands, and that is said.
"""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from controller.cli import connection, reply_json
from controller.client.channel import Channel
from controller.client.errors import ClientError, NotConnected
from observers.errors import MpathError

POLL = 1.0
"""Seconds between two questions for events."""

_FOLLOWED = 10
"""Events of before that `--follow` begins with."""

_COLOURS = {"error": 31, "warning": 33}
_DEBUG = 2
_Subparsers = argparse._SubParsersAction  # noqa: SLF001 -- argparse has no public name for it


def add_daemon_commands(subparsers: "_Subparsers[argparse.ArgumentParser]") -> None:
    """`events`, `metrics`, `age`, `dump`."""
    events = subparsers.add_parser("events", help="what the daemon saw, decided and did, and why")
    events.add_argument("--follow", "-f", action="store_true", help="go on with what happens from now on")
    forms = events.add_mutually_exclusive_group()
    forms.add_argument(
        "--json", action="store_true", help="JSON, one event a line: usual with --follow, but not on a terminal"
    )
    forms.add_argument("--text", action="store_true", help="text for people, which is usual otherwise")
    events.add_argument("--lines", "-n", metavar="N", type=_count, help="only the last N of those that are kept")
    events.set_defaults(run=_events)
    metrics = subparsers.add_parser("metrics", help="the daemon's metrics, in the OpenMetrics text format")
    metrics.set_defaults(run=_asked("list metrics", reply_json.metrics))
    age = subparsers.add_parser("age", help="how old what the daemon's replies are made of is")
    age.set_defaults(run=_asked("list age", reply_json.age))
    dump = subparsers.add_parser("dump", help="have the daemon write its flight recorder, and print where")
    dump.add_argument("what", nargs="?", choices=["recorder"], default="recorder")
    dump.set_defaults(run=_asked("dump recorder", reply_json.recorder))
    for parser in (metrics, age, dump):
        parser.add_argument("--json", action="store_true", help="print JSON")
    for parser in (events, metrics, age, dump):
        connection.add_options(parser)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of events")
    return int(text)


Reading = Callable[[str], reply_json.Value]


def _asked(command: str, reading: Reading) -> Callable[[argparse.Namespace], int]:
    """What runs a command and prints its reply. `reading`: the reply as a value."""

    def run(options: argparse.Namespace) -> int:
        try:
            with closing(connection.connect(options)) as channel:
                reply = connection.ask(channel, command, ours=True)
            sys.stdout.write(json.dumps(reading(reply), indent=2) + "\n" if options.json else reply)
        except ClientError as error:
            raise MpathError(str(error)) from error
        return 0

    return run


# ---- events


def _events(options: argparse.Namespace) -> int:
    feed = Feed(lambda: connection.connect(options), patient=options.follow)
    show = _form(options)
    shown = options.lines if options.lines is not None else _FOLLOWED if options.follow else None
    try:
        events = feed.take()
        for event in events if shown is None else events[max(0, len(events) - shown) :]:
            sys.stdout.write(show(event) + "\n")
        while options.follow:
            sys.stdout.flush()
            time.sleep(POLL)
            sys.stdout.writelines(show(event) + "\n" for event in feed.take())
    except ClientError as error:
        raise MpathError(str(error)) from error
    except KeyboardInterrupt:
        return 0
    finally:
        feed.close()
    return 0


def _form(options: argparse.Namespace) -> Callable[[dict[str, Any]], str]:
    """How an event is printed: what follows on for ever, and goes to no terminal, goes to a program."""
    if options.json or (options.follow and not options.text and not sys.stdout.isatty()):
        return _json_line
    return _painted if _has_colours() else text_line


class Feed:
    """The events that are new each time. `patient`: a daemon that is away is waited for, and looked for again."""

    def __init__(self, connect: Callable[[], Channel], *, patient: bool) -> None:
        self._connect, self._patient = connect, patient
        self._channel: Channel | None = None
        self._daemon = ""
        self._last = 0
        self._newest: dict[str, Any] = {}
        self._away = False

    def take(self) -> list[dict[str, Any]]:
        """Those since the last time; all that are kept at first."""
        try:
            return self._taken()
        except ClientError as error:
            self.close()
            if not self._patient:
                raise
            if not self._away:
                self._note(str(error) if isinstance(error, NotConnected) else f"the daemon went away: {error}")
            self._away = True
            return []

    def close(self) -> None:
        """End the connection."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _taken(self) -> list[dict[str, Any]]:
        if self._channel is None:
            self._channel = self._connect()
            self._recognize(self._channel)
        self._away = False
        events = _since(self._channel, self._last)
        if not events:
            return []
        missed = events[0]["number"] - self._last - 1
        if self._last and missed > 0:
            self._note(f"{missed} events came too fast to be told")
        self._newest = events[-1]
        self._last = self._newest["number"]
        return events

    def _recognize(self, channel: Channel) -> None:
        """Another daemon counts its events from 1 again. It may have the process id of the one before, as in a
        container, but not the event that was the newest."""
        found = re.match(r"pid \d+", channel.ask("show daemon"))
        daemon = found[0] if found else ""
        if daemon != self._daemon or (self._last and not self._continues(channel)):
            self._daemon, self._last = daemon, 0

    def _continues(self, channel: Channel) -> bool:
        """Whether the daemon has the newest event that was told, or has forgotten it for later ones."""
        events = _since(channel, self._last - 1)
        return bool(events) and (events[0]["number"] > self._last or events[0] == self._newest)

    @staticmethod
    def _note(text: str) -> None:
        sys.stdout.flush()
        sys.stderr.write(f"mpathctl: {text}\n")


def _since(channel: Channel, number: int) -> list[dict[str, Any]]:
    """The events after this one that the daemon still has."""
    reply = connection.ask(channel, f"list events since {number}", ours=True)
    return [json.loads(line) for line in reply.splitlines() if line.startswith("{")]


def _json_line(event: dict[str, Any]) -> str:
    return json.dumps(event)


def text_line(event: dict[str, Any]) -> str:
    """When, how much it matters, what kind, about what, what, why."""
    at = float(event["at"])
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) + f".{int(at % 1 * 1000):03d}"
    about = "".join(f"{each}: " for each in _subjects(event))
    reason = f" ({event['reason']})" if event.get("reason") else ""
    line = f"{stamp} {event['level']:7} {event['kind']:8} {about}{event.get('text', '')}{reason}"
    return line.encode("utf-8", "backslashreplace").decode("utf-8")


def _subjects(event: dict[str, Any]) -> Iterator[str]:
    yield from (event[name] for name in ("map", "path") if event.get(name))


def _painted(event: dict[str, Any]) -> str:
    line, level = text_line(event), event["level"]
    colour = _COLOURS.get(level, _DEBUG if level == "debug" else 0)
    return f"\x1b[{colour}m{line}\x1b[0m" if colour else line


def _has_colours() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
