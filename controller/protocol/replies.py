"""From a request's text to its reply, or to what the loop must do for it.

In: a `State` and a text, or a `Command`. Out: the whole reply, or a `Request`. Pure; it must never wait, and never
raise, whatever the text is.

`READS` and `WRITES` have a function for every verb: one of the first kind makes the reply out of what is known, one of
the second a `Request`, or a reply when it is known already that it can't be done.
"""

import re
from collections.abc import Callable, Mapping

from controller.protocol import json_reply, listings, picture, requests, status, tables, topology, wildcards
from controller.protocol.frames import Message
from controller.protocol.grammar import DENIED, Command, Refusal, Verb, parse
from controller.protocol.names import device_name, find_map, find_path
from controller.protocol.pieces import Piece
from controller.protocol.requests import MapRequest, PathRequest, Request, Result
from controller.protocol.rows import MapRow, PathRow, map_rows, still_rows
from controller.protocol.state import State
from controller.protocol.tables import kept_part
from desired import options
from desired.admission import Blacklist
from desired.config import Config
from desired.entries import RuleKind
from desired.model import Verdict
from observers.snapshot import Alias, Wwid

Answer = str | Message | Request


def respond(state: State, text: str, *, root: bool) -> str | Request:
    """What to do with a request. `root`: whether its sender is."""
    parsed = understood(text, root=root)
    answered = parsed if isinstance(parsed, str) else answer(state, parsed)
    return answered.text if isinstance(answered, Message) else answered


def understood(text: str, *, root: bool) -> Command | str:
    """The command, or why it is none. A request that is none is told so before who may."""
    parsed = parse(text)
    if isinstance(parsed, Refusal):
        return parsed.reply
    return DENIED if parsed.verb.needs_root and not root else parsed


WITHOUT_A_LOOK = frozenset({
    Verb.LIST_DAEMON, Verb.LIST_AGE, Verb.LIST_WILDCARDS, Verb.LIST_EVENTS, Verb.LIST_EVENTS_SINCE, Verb.LIST_MD,
    Verb.DUMP_RECORDER, Verb.RECONFIGURE, Verb.RECONFIGURE_ALL, Verb.QUIT, Verb.SHUTDOWN,
})  # fmt: skip
"""What is answered, or known to be possible, without a look at any path or map."""


def answer(state: State, command: Command) -> Answer:
    """The reply to a command, or what to do for it. A reply without a word is `ok`."""
    read = READS.get(command.verb)
    if read is not None:
        return read(state, command.arguments) or Result.DONE
    return WRITES[command.verb](state, command.arguments)


Arguments = Mapping[str, str]
Read = Callable[[State, Arguments], str | Message]
Write = Callable[[State, Arguments], Answer]


def _path(state: State, arguments: Arguments) -> PathRow | None:
    return find_path(still_rows(state), arguments["path"])


def _map(state: State, arguments: Arguments) -> MapRow | None:
    return find_map(listings.all_maps(state), arguments["map"])


def _one_path(state: State, arguments: Arguments) -> str:
    row = _path(state, arguments)
    return tables.line(row, wildcards.PATH, tables.PATH_FORMAT) if row else Result.NOT_FOUND


def _one_map(state: State, arguments: Arguments) -> str:
    """`show map M format F`, with `raw` or without: no header, but the columns of one."""
    rows = listings.all_maps(state)
    row = find_map(rows, arguments["map"])
    if row is None:
        return Result.NOT_FOUND
    return tables.line_of_table(rows.index(row), arguments["format"], kept_part(rows, wildcards.MAP))


def _map_topology(state: State, arguments: Arguments) -> str:
    paths = still_rows(state)
    row = find_map(map_rows(state, paths), arguments["map"])
    return topology.topology([row], paths, listings.COLUMNS(state)) if row else Result.NOT_FOUND


def _map_json(state: State, arguments: Arguments) -> str:
    row = _map(state, arguments)
    return json_reply.map_json(row) if row else Result.NOT_FOUND


def _of_map(say: Callable[[MapRow], str]) -> Read:
    """A reply that says one thing of a map."""

    def read(state: State, arguments: Arguments) -> str:
        row = _map(state, arguments)
        return f"{say(row)}\n" if row else Result.NOT_FOUND

    return read


def _kept(name: str, say: Callable[[State], str]) -> Read:
    """A reply that takes long to write, and is the same until something is seen, decided or configured otherwise."""

    piece = Piece(
        name,
        lambda state: (state.snapshot, state.desired, state.config, state.paths, state.others),
        lambda state, _: say(state),
    )
    return lambda state, _: piece(state)


_CONFIG = Piece("config", lambda state: (state.config,), lambda state, _: status.config(state))


def _key(row: MapRow) -> str:
    line = row.line
    return f"{line.reservation_key:#x}{':aptpl' if line.aptpl else ''}" if line.reservation_key else "none"


READS: Mapping[Verb, Read] = {
    Verb.LIST_PATHS: lambda state, _: listings.paths(state),
    Verb.LIST_PATHS_FORMAT: lambda state, arguments: listings.path_table(state, arguments["format"]),
    Verb.LIST_PATHS_RAW: lambda state, arguments: listings.path_table(state, arguments["format"], raw=True),
    Verb.LIST_PATH: _one_path,
    Verb.LIST_MAPS: lambda state, _: listings.map_table(state, tables.MAPS_FORMAT),
    Verb.LIST_STATUS: lambda state, _: status.status(state, still_rows(state)),
    Verb.LIST_DAEMON: lambda state, _: status.daemon(state.daemon),
    Verb.LIST_MAPS_STATUS: lambda state, _: listings.map_table(state, tables.STATUS_FORMAT),
    Verb.LIST_MAPS_STATS: lambda state, _: listings.map_table(state, tables.STATS_FORMAT),
    Verb.LIST_MAPS_FORMAT: lambda state, arguments: listings.map_table(state, arguments["format"]),
    Verb.LIST_MAPS_RAW: lambda state, arguments: listings.map_table(state, arguments["format"], raw=True),
    Verb.LIST_MAPS_TOPOLOGY: lambda state, _: listings.TOPOLOGY(state),
    Verb.LIST_TOPOLOGY: lambda state, _: listings.TOPOLOGY(state),
    Verb.LIST_MAPS_JSON: lambda state, _: listings.MAPS_JSON(state),
    Verb.LIST_MAP_TOPOLOGY: _map_topology,
    Verb.LIST_MAP_FORMAT: _one_map,
    Verb.LIST_MAP_RAW: _one_map,
    Verb.LIST_MAP_JSON: _map_json,
    Verb.LIST_CONFIG_LOCAL: _kept("config local", lambda state: status.config_local(state, still_rows(state))),
    Verb.LIST_CONFIG: lambda state, _: _CONFIG(state),
    Verb.LIST_BLACKLIST: lambda state, _: status.blacklist(state.config),
    Verb.LIST_DEVICES: _kept("devices", lambda state: status.devices(state, still_rows(state))),
    Verb.LIST_WILDCARDS: lambda _state, _arguments: wildcards.LIST,
    Verb.GET_PR_STATUS: _of_map(lambda row: row.line.reserved),
    Verb.GET_PR_KEY: _of_map(_key),
    Verb.GET_PR_HOLD: _of_map(lambda row: row.line.held),
    Verb.LIST_AGE: lambda state, _: status.age(state),
    Verb.LIST_TREE: _kept("tree", lambda state: picture.draw(state.snapshot, state.desired, picture.UNICODE)),
}


def _constant(request: Request) -> Write:
    return lambda _state, _arguments: request


def _on_path(kind: type[PathRequest]) -> Write:
    """A request about a path that is known."""

    def write(state: State, arguments: Arguments) -> Answer:
        row = _path(state, arguments)
        return _path_request(kind, row) if row else Result.NOT_FOUND

    return write


def _on_member(kind: type[PathRequest]) -> Write:
    """A request about a path of a map."""

    def write(state: State, arguments: Arguments) -> Answer:
        row = _path(state, arguments)
        if row is None:
            return Result.NOT_FOUND
        return _path_request(kind, row) if row.map else Result.FAILED

    return write


def _path_request(kind: type[PathRequest], row: PathRow) -> Answer:
    if row.path is None:
        return Result.NOT_FOUND
    return kind(row.path.name, row.dev, row.map.wwid if row.map else None)


def _on_map(make: Callable[[Wwid, Alias, Arguments], Answer], unknown: Result = Result.NOT_FOUND) -> Write:
    """A request about a map. Some commands do not say what they lack when there is none."""

    def write(state: State, arguments: Arguments) -> Answer:
        row = _map(state, arguments)
        return make(row.map.wwid, row.map.name, arguments) if row else unknown

    return write


def _plain(kind: type[MapRequest]) -> Callable[[Wwid, Alias, Arguments], Answer]:
    return lambda wwid, alias, _: kind(wwid, alias)


def _add_path(state: State, arguments: Arguments) -> Answer:
    """Whether there is such a device is for the loop to find out; its name alone can be against it."""
    row = _path(state, arguments)
    name = row.path.name if row and row.path else device_name(arguments["path"])
    blocked = Blacklist(state.config).text(RuleKind.DEVNODE, name).outcome.blocks
    return Result.BLACKLISTED if blocked else requests.AddPath(name)


def _add_map(state: State, arguments: Arguments) -> Answer:
    """A map that is there, or that could be made of paths that are."""
    row, name = _map(state, arguments), arguments["map"].removeprefix("/dev/mapper/")
    wanted = (each.wwid for each in state.desired.maps if name in (each.alias.value, each.wwid))
    found = row.map.wwid if row is not None else next(wanted, None)
    wwid = found or _configured(state.config, name) or Wwid(name)
    if Blacklist(state.config).wwid(wwid).outcome.blocks:
        return Result.BLACKLISTED
    verdicts = {each.verdict for each in state.desired.admissions if each.wwid == wwid}
    if found is None and not verdicts:
        return Result.FAILED
    return Result.BLACKLISTED if verdicts == {Verdict.BLACKLISTED} else requests.AddMap(wwid)


def _configured(config: Config, name: str) -> Wwid | None:
    """Whose alias a name is by the configuration."""
    for wwid, entry in config.multipaths.items():
        alias = entry.settings.get(options.ALIAS.key)
        if alias is not None and alias.value == name and not entry.alias_taken_by:
            return wwid
    return None


_LEADING_NUMBER = re.compile(r"[ \t-\r]*([+-]?[0-9]{1,9})", re.ASCII)


def _switch(wwid: Wwid, alias: Alias, arguments: Arguments) -> Answer:
    """A text that begins with no number is group 0, which the kernel does not have."""
    number = _LEADING_NUMBER.match(arguments["group"])
    return requests.Switch(wwid, alias, int(number[1]) if number else 0)


_KEY = re.compile(r"0?[xX]?([0-9a-fA-F]{1,16})(:.*)?", re.ASCII | re.DOTALL)


def _set_key(state: State, arguments: Arguments) -> Answer:
    """A key counts only for maps whose keys come from the file; for others multipathd records it and fails."""
    row = _map(state, arguments)
    if row is None:
        return Result.NOT_FOUND
    match, source = _KEY.fullmatch(arguments["key"]), row.wanted and row.wanted.properties.get("reservation_key")
    key = int(match[1], 16) if match else 0
    if not match or not key or not source or source.value != "file":
        return Result.FAILED
    return requests.SetKey(row.map.wwid, row.map.name, key, match[2] == ":aptpl")


def _events(_: State, arguments: Arguments) -> Answer:
    since = arguments["since"]
    return requests.ShowEvents(int(since)) if since.isascii() and since.isdigit() and len(since) < 20 else Result.FAILED


WRITES: Mapping[Verb, Write] = {
    Verb.RESET_MAPS_STATS: _constant(requests.ResetStats()),
    Verb.RESET_MAP_STATS: _on_map(lambda wwid, _alias, _: requests.ResetStats(wwid)),
    Verb.ADD_PATH: _add_path,
    Verb.DEL_PATH: _on_path(requests.DelPath),
    Verb.ADD_MAP: _add_map,
    Verb.DEL_MAP: _on_map(_plain(requests.DelMap)),
    Verb.DEL_MAPS: _constant(requests.DelMaps()),
    Verb.SWITCH_MAP: _on_map(_switch, Result.FAILED),
    Verb.RECONFIGURE: _constant(requests.Reconfigure()),
    Verb.RECONFIGURE_ALL: _constant(requests.Reconfigure(everything=True)),
    Verb.SUSPEND_MAP: _on_map(_plain(requests.SuspendMap), Result.FAILED),
    Verb.RESUME_MAP: _on_map(_plain(requests.ResumeMap), Result.FAILED),
    Verb.RESIZE_MAP: _on_map(_plain(requests.ResizeMap)),
    Verb.RELOAD_MAP: _on_map(_plain(requests.ReloadMap)),
    Verb.RESET_MAP: _on_map(_plain(requests.ResetMap), Result.FAILED),
    Verb.REINSTATE_PATH: _on_member(requests.ReinstatePath),
    Verb.FAIL_PATH: _on_member(requests.FailPath),
    Verb.DISABLE_QUEUEING_MAP: _on_map(lambda wwid, _alias, _: requests.DisableQueueing(wwid)),
    Verb.RESTORE_QUEUEING_MAP: _on_map(lambda wwid, _alias, _: requests.RestoreQueueing(wwid)),
    Verb.DISABLE_QUEUEING_MAPS: _constant(requests.DisableQueueing()),
    Verb.RESTORE_QUEUEING_MAPS: _constant(requests.RestoreQueueing()),
    Verb.QUIT: _constant(requests.Quit()),
    Verb.SHUTDOWN: _constant(requests.Shutdown()),
    Verb.SET_PR_STATUS: _on_map(_plain(requests.SetReserved)),
    Verb.SET_PR_STATUS_LIST: _on_map(
        lambda wwid, alias, arguments: requests.SetReserved(wwid, alias, tuple(arguments["pathlist"].split()))
    ),
    Verb.UNSET_PR_STATUS: _on_map(_plain(requests.UnsetReserved)),
    Verb.FORCE_QUEUEING_DAEMON: _constant(requests.ForceQueueing(forced=True)),
    Verb.RESTORE_QUEUEING_DAEMON: _constant(requests.ForceQueueing(forced=False)),
    Verb.SET_PR_KEY: _set_key,
    Verb.UNSET_PR_KEY: _on_map(_plain(requests.UnsetKey)),
    Verb.SET_MARGINAL: _on_member(requests.SetMarginal),
    Verb.UNSET_MARGINAL: _on_member(requests.UnsetMarginal),
    Verb.UNSET_MARGINALS: _on_map(_plain(requests.UnsetMarginals)),
    Verb.SET_PR_HOLD: _on_map(lambda wwid, alias, _: requests.SetHeld(wwid, alias, held=True)),
    Verb.UNSET_PR_HOLD: _on_map(lambda wwid, alias, _: requests.SetHeld(wwid, alias, held=False)),
    Verb.LIST_METRICS: _constant(requests.ShowMetrics()),
    Verb.LIST_EVENTS: _constant(requests.ShowEvents()),
    Verb.LIST_EVENTS_SINCE: _events,
    Verb.LIST_MD: _constant(requests.ShowMd()),
    Verb.DUMP_RECORDER: _constant(requests.DumpRecorder()),
}
