"""The step that registers a path: when it does, when it must not, and what it says."""

import errno
from dataclasses import replace

import pytest

from actuators.apply import apply
from actuators.reservations import ATTENTIONS, register_key
from actuators.steps import Changed, Lost, MapRef, Outcome, Refused, Registered, RegisterKey, Unregistered
from controller.sandbox.host import SandboxHost
from observers.dmtable import DevT
from observers.host import ScsiReply
from observers.kernel import reservation
from observers.snapshot import Alias, DeviceName, Wwid, map_uuid
from tests.actuators.scripted import ScriptedHost
from tests.reservations.worlds import KEY, WWID, host_with, number, register, registered, unit

MAP = MapRef(map_uuid(Wwid(WWID)), Alias("data"))
PREEMPTED = (0x6, 0x2A, 0x05)


@pytest.fixture
def host() -> SandboxHost:
    return host_with("0xabc123")


def step(host: SandboxHost, name: str = "sdb", **more: object) -> RegisterKey:
    made = RegisterKey(map=MAP, dev=DevT(number(host, name)), name=DeviceName(name), key=KEY)
    return replace(made, **more)  # type: ignore[arg-type]


def test_a_path_is_registered_while_the_key_is_registered_through_another(host: SandboxHost) -> None:
    register(host, "sdd")
    assert register_key(host, step(host)) == Registered()
    assert registered(host) == {"sdb": KEY, "sdd": KEY}


def test_a_path_is_not_registered_when_the_key_is_not(host: SandboxHost) -> None:
    unit(host).register("another host", 0x77)
    assert isinstance(register_key(host, step(host)), Unregistered)
    assert registered(host) == {}


def test_a_stale_key_is_taken_away_where_that_is_asked_for(host: SandboxHost) -> None:
    register(host, "sdb", key=0x5)
    assert isinstance(register_key(host, step(host)), Unregistered)
    assert registered(host) == {"sdb": 0x5}
    assert isinstance(register_key(host, step(host, clear=True)), Unregistered)
    assert registered(host) == {}


def test_the_former_key_counts_like_the_present_one(host: SandboxHost) -> None:
    register(host, "sdd", key=0x5)
    assert register_key(host, step(host, former=0x5)) == Registered()
    assert registered(host) == {"sdb": KEY, "sdd": 0x5}


def test_enough_registrations_make_another_one_needless(host: SandboxHost) -> None:
    register(host, "sdd", "sdj")
    assert register_key(host, step(host, enough=2)) == Registered(note="its key was registered already")
    assert "sdb" not in registered(host)
    assert register_key(host, step(host, enough=3)) == Registered()
    assert "sdb" in registered(host)


@pytest.mark.parametrize(("holder", "held"), [("sdd", True), ("", False)], ids=["held", "not held"])
def test_who_holds_a_reservation_is_found_out(host: SandboxHost, holder: str, held: bool) -> None:
    register(host, "sdd")
    disk = host.kernel.disk(DeviceName("sdd"))
    assert disk is not None
    if holder:
        unit(host).reserve(disk.nexus.registrant)
    assert register_key(host, step(host, ask_holder=True)) == Registered(held=held)


def test_persisting_through_power_loss_is_asked_for(host: SandboxHost) -> None:
    register(host, "sdd")
    register_key(host, step(host, aptpl=True))
    assert unit(host).persists


def test_without_a_key_the_registration_is_taken_away(host: SandboxHost) -> None:
    register(host, "sdb", "sdd")
    assert register_key(host, step(host, key=0)) == Changed()
    assert registered(host) == {"sdd": KEY}


def test_unit_attentions_are_not_taken_for_answers(host: SandboxHost) -> None:
    register(host, "sdd")
    disk = host.kernel.disk(DeviceName("sdb"))
    assert disk is not None
    disk.nexus.attentions += [PREEMPTED, (0x6, 0x29, 0x00)]
    assert register_key(host, step(host)) == Registered()


def test_a_device_that_only_has_unit_attentions_is_a_refusal(host: SandboxHost) -> None:
    register(host, "sdd")
    disk = host.kernel.disk(DeviceName("sdb"))
    assert disk is not None
    disk.nexus.attentions += [PREEMPTED] * (ATTENTIONS + 1)
    outcome = register_key(host, step(host))
    assert isinstance(outcome, Refused)
    assert "READ KEYS" in outcome.message


def test_an_array_without_persistent_reservations_has_none(host: SandboxHost) -> None:
    disk = host.kernel.disk(DeviceName("sdb"))
    assert disk is not None
    disk.array.units[0].registrations = None
    assert register_key(host, step(host)) == Unregistered("sdb knows no persistent reservations")


def test_another_device_under_the_name_is_left_alone(host: SandboxHost) -> None:
    register(host, "sdd")
    assert isinstance(register_key(host, step(host, dev=DevT("8:240"))), Lost)
    assert "sdb" not in registered(host)


def test_a_device_that_is_gone_is_lost_and_not_unregistered(host: SandboxHost) -> None:
    made = step(host)
    host.happen("delete", "sdb")
    outcome = register_key(host, made)
    assert isinstance(outcome, Lost)
    assert not isinstance(outcome, Unregistered)


def test_a_path_that_does_not_answer_is_a_refusal(host: SandboxHost) -> None:
    register(host, "sdd")
    host.happen("link", "no-connect", "sdb")
    outcome = register_key(host, step(host))
    assert isinstance(outcome, Refused)
    assert outcome.error == errno.EIO


def reply(data: bytes = b"") -> ScsiReply:
    return ScsiReply(status=0, host_status=0, driver_status=0, sense=b"", data=data)


def keys(*registered_: int) -> ScsiReply:
    return reply(reservation.encode_keys(registered_, generation=1))


def scripted(*answers: ScsiReply | int) -> tuple[Outcome, list[bytes]]:
    host = ScriptedHost(numbers={"sdb": DevT("8:16")}, commands=list(answers))
    outcome = register_key(host, RegisterKey(map=MAP, dev=DevT("8:16"), name=DeviceName("sdb"), key=KEY))
    assert host.commands == []
    assert host.held == host.released
    return outcome, [parameters for _, parameters in host.registered]


def test_what_was_registered_while_the_host_was_fenced_off_is_taken_back() -> None:
    outcome, sent = scripted(keys(KEY, KEY), reply(), keys(KEY), reply())
    assert isinstance(outcome, Unregistered)
    assert sent == [reservation.parameters(KEY, aptpl=False), reservation.parameters(0, aptpl=False)]


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([errno.EIO], id="the first question"),
        pytest.param([keys(KEY), errno.EIO], id="the registration"),
        pytest.param([keys(KEY), reply(), errno.EIO], id="the second question"),
        pytest.param([reply(b"short")], id="no header"),
    ],
)
def test_what_the_kernel_refuses_is_told_and_the_device_let_go(answers: list[ScsiReply | int]) -> None:
    assert isinstance(scripted(*answers)[0], Refused)


def test_a_refusal_does_not_end_the_steps_of_its_map(host: SandboxHost) -> None:
    host.happen("link", "no-connect", "sdb")
    register(host, "sdd")
    done = apply(host, (), [(step(host), step(host, "sdd"))], udev_running=False).outcomes
    assert [type(outcome) for _, outcome in done] == [Refused, Registered]
