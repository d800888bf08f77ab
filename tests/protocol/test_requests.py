"""What commands ask the loop to do, what is refused at once, and which path or map a word means."""

from dataclasses import replace
from typing import Any

import pytest

from controller.protocol import requests
from controller.protocol.requests import MapRequest, PathRequest, Question, Request
from observers.dmtable import DevT
from observers.snapshot import Alias, DeviceName, Wwid
from tests.protocol.worlds import ARRAY, LOCAL, asked, said, with_map, with_path, world

DATA = (ARRAY, Alias("data"))
SDA = (DeviceName("sda"), DevT("8:0"), ARRAY)

WRITES: list[tuple[str, Request]] = [
    ("add path sda", requests.AddPath(DeviceName("sda"))),
    ("add path 8:0", requests.AddPath(DeviceName("sda"))),
    ("add path /dev/sdnew", requests.AddPath(DeviceName("sdnew"))),
    ("del path sda", requests.DelPath(*SDA)),
    ("remove path sdi", requests.DelPath(DeviceName("sdi"), DevT("8:128"), None)),
    ("fail path sda", requests.FailPath(*SDA)),
    ("reinstate path sda", requests.ReinstatePath(*SDA)),
    ("setmarginal path sda", requests.SetMarginal(*SDA)),
    ("unsetmarginal path sda", requests.UnsetMarginal(*SDA)),
    ("unsetmarginal map data", requests.UnsetMarginals(*DATA)),
    ("add map data", requests.AddMap(ARRAY)),
    (f"add map {LOCAL}", requests.AddMap(LOCAL)),
    ("del map data", requests.DelMap(*DATA)),
    ("del maps", requests.DelMaps()),
    ("switch map data group 2", requests.Switch(*DATA, 2)),
    ('switch map data group " 2x"', requests.Switch(*DATA, 2)),
    ("switch map data group x", requests.Switch(*DATA, 0)),
    ("reconfigure", requests.Reconfigure()),
    ("reconfigure all", requests.Reconfigure(everything=True)),
    ("suspend map data", requests.SuspendMap(*DATA)),
    ("resume map data", requests.ResumeMap(*DATA)),
    ("resize map data", requests.ResizeMap(*DATA)),
    ("reload map data", requests.ReloadMap(*DATA)),
    ("reset map data", requests.ResetMap(*DATA)),
    ("reset map data stats", requests.ResetStats(ARRAY)),
    ("reset maps stats", requests.ResetStats()),
    ("disablequeueing map data", requests.DisableQueueing(ARRAY)),
    ("disablequeueing maps", requests.DisableQueueing()),
    ("restorequeueing map data", requests.RestoreQueueing(ARRAY)),
    ("restorequeueing maps", requests.RestoreQueueing()),
    ("forcequeueing daemon", requests.ForceQueueing(forced=True)),
    ("restorequeueing daemon", requests.ForceQueueing(forced=False)),
    ("quit", requests.Quit()),
    ("shutdown", requests.Shutdown()),
    ("setprstatus map data", requests.SetReserved(*DATA)),
    ('setprstatus map data pathlist " 8:0  8:16"', requests.SetReserved(*DATA, ("8:0", "8:16"))),
    ("unsetprstatus map data", requests.UnsetReserved(*DATA)),
    ("setprkey map data key 0xabc", requests.SetKey(*DATA, 0xABC)),
    ("setprkey map data key ABC:aptpl", requests.SetKey(*DATA, 0xABC, aptpl=True)),
    ("setprkey map data key 1:other", requests.SetKey(*DATA, 1)),
    ("unsetprkey map data", requests.UnsetKey(*DATA)),
    ("setprhold map data", requests.SetHeld(*DATA, held=True)),
    ("unsetprhold map data", requests.SetHeld(*DATA, held=False)),
    ("list metrics", requests.ShowMetrics()),
    ("list events", requests.ShowEvents()),
    ("list events since 17", requests.ShowEvents(17)),
    ("list md", requests.ShowMd()),
    ("dump recorder", requests.DumpRecorder()),
]


@pytest.mark.parametrize(("command", "request_"), WRITES, ids=[command for command, _ in WRITES])
def test_a_command_asks_the_loop(command: str, request_: Request) -> None:
    answer = asked(world(), command)
    assert answer == request_
    assert type(answer) is type(request_)


def test_every_kind_of_request_is_asked_for() -> None:
    kinds = {kind for kind in vars(requests).values() if isinstance(kind, type) and issubclass(kind, Request)}
    assert {type(request) for _, request in WRITES} == kinds - {Request, Question, PathRequest, MapRequest}


NOT_FOUND, FAILED, BLACKLISTED = "fail\ndevice not found\n", "fail\n", "blacklisted\n"

REFUSED = [
    *((f"{verb} path nosuch", NOT_FOUND) for verb in ("del", "fail", "reinstate", "setmarginal", "unsetmarginal")),
    *((f"{verb} path sdi", FAILED) for verb in ("fail", "reinstate", "setmarginal", "unsetmarginal")),
    *((f"{verb} map nosuch", NOT_FOUND) for verb in (
        "del", "resize", "reload", "disablequeueing", "restorequeueing", "setprstatus", "unsetprstatus", "unsetprkey",
        "unsetmarginal", "setprhold", "unsetprhold",
    )),
    *((f"{verb} map nosuch", FAILED) for verb in ("add", "suspend", "resume", "reset")),
    ("switch map nosuch group 1", FAILED),
    ("reset map nosuch stats", NOT_FOUND),
    ("setprkey map nosuch key 1", NOT_FOUND),
    ("setprkey map data key 0", FAILED),
    ("setprkey map data key zz", FAILED),
    ("setprkey map data key 0x12345678901234567", FAILED),
    (f"setprkey map {LOCAL} key 1", FAILED),
    ("add path loop0", BLACKLISTED),
    ("add path nosuch", BLACKLISTED),
    ("add path sdz", BLACKLISTED),
    ("list events since x", FAILED),
    ("list events since -1", FAILED),
]  # fmt: skip


@pytest.mark.parametrize(("command", "reply"), REFUSED)
def test_what_cannot_be_done_is_refused_at_once(command: str, reply: str) -> None:
    assert said(world(), command) == reply


def test_a_map_whose_paths_are_all_blacklisted_is_not_added() -> None:
    state = world()
    admissions = tuple(
        replace(each, wwid=Wwid("36001405bad")) if each.name == "loop0" else each for each in state.desired.admissions
    )
    (verdict,) = (each.verdict for each in admissions if each.name == "loop0")
    listed = tuple(replace(each, verdict=type(verdict).BLACKLISTED) for each in admissions if each.name == "loop0")
    changed = replace(state, desired=replace(state.desired, admissions=(*admissions[:-1], *listed)))
    assert said(changed, "add map 36001405bad") == BLACKLISTED


def test_a_map_may_be_added_of_paths_that_are_in_none() -> None:
    waiting = Wwid("360014050000000000000000000000003")
    assert asked(world(), f"add map {waiting}") == requests.AddMap(waiting)
    without = replace(world(), snapshot=replace(world().snapshot, maps=()))
    assert asked(without, "add map /dev/mapper/data") == requests.AddMap(ARRAY)


LINKS = {"DEVLINKS": "/dev/disk/by-path/x /dev/disk/by-id/wwn-0x6001405"}


@pytest.mark.parametrize("word", ["sda", "/dev/sda", "8:0", "/dev/disk/by-id/wwn-0x6001405"])
def test_a_path_has_many_names(word: str) -> None:
    assert said(with_path(world(), "sda", udev=LINKS), f"show path {word}") == "running\n"


@pytest.mark.parametrize("word", ["sd", "8:1", "/dev/", "/dev/disk/by-id/other", "data", "DEVLINKS"])
def test_other_words_are_no_path(word: str) -> None:
    assert said(with_path(world(), "sda", udev=LINKS), f"show path {word}") == NOT_FOUND


def test_a_device_name_with_a_slash_has_an_exclamation_mark_in_the_kernel() -> None:
    state = with_path(world(), "sda", name=DeviceName("cciss!c0d0"))
    assert said(state, "show path /dev/cciss/c0d0") == "running\n"


@pytest.mark.parametrize("word", ["data", ARRAY, "dm-3", "dm-03", "/dev/dm-3", "/dev/mapper/data", "/dev/data"])
def test_a_map_has_many_names(word: str) -> None:
    assert said(world(), f"show map {word} format %w") == f"{ARRAY}\n"


@pytest.mark.parametrize("word", ["254:3", "dm-3x", "dm-", "dm-9", "sda", "/dev/mapper/", "mpath-" + ARRAY])
def test_other_words_are_no_map(word: str) -> None:
    assert said(world(), f"show map {word} format %w") == NOT_FOUND


def test_a_kernel_name_counts_before_an_alias() -> None:
    state = with_map(world(), LOCAL, name=Alias("dm-3"))
    assert said(state, "show map dm-3 format %w").strip() == ARRAY


def test_an_alias_counts_before_a_wwid() -> None:
    state: Any = with_map(world(), LOCAL, name=Alias(ARRAY))
    assert said(state, f"show map {ARRAY} raw format %w").strip() == LOCAL
