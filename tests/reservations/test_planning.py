"""Which paths are registered when, and what keeps one from being registered."""

from dataclasses import replace

import pytest

from actuators.steps import (
    Changed,
    Lost,
    MapRef,
    Outcome,
    Refused,
    Registered,
    RegisterKey,
    Step,
    Unregistered,
)
from controller.reconcile.health import PathMemory
from controller.reconcile.memory import after_apply
from controller.reconcile.plan import Memory, Plan
from controller.reconcile.planner import plan
from controller.reconcile.reservation_memory import (
    Reservation,
    Status,
    after,
    asked_anew,
    changed_key,
    registered,
    unregistered,
)
from controller.reconcile.reservations import with_reservation, without_device
from controller.reconcile.safety import Level, check
from desired.model import Origin, OriginKind, Resolved
from desired.values import ReservationKey
from observers.dmtable import DevT
from observers.snapshot import Alias, Bus, DeviceName, Gap, PathState
from tests.health.paths import stored
from tests.planner.bad_plans import of
from tests.planner.builders import NOW, desire, dev, kinds, only, running, snapshot, uuid, wanted
from tests.planner.resident import Host

UP, DOWN = PathState.UP, PathState.DOWN
KEY = ReservationKey(0xABC)
A = MapRef(uuid("a"), Alias("a"))
WWID = wanted("a", [0]).wwid
SET = Reservation(status=Status.SET, held=Status.UNSET, ever=True)


def host(count: int = 2, *, known: Reservation | None = None, key: ReservationKey | None = KEY) -> Host:
    """A map of paths that are up, and what is remembered of its reservation."""
    want = replace(wanted("a", range(count)), reservation_key=key)
    it = Host(snapshot(running(want), disks=count), desire(want))
    for number in range(count):
        it.remember(number, stored(UP))
    if known is not None:
        it.memory = with_reservation(it.memory, WWID, known)
    return it


def planned(it: Host) -> Plan:
    """A plan that keeps the safety rules; what it is remembered by is kept."""
    made, it.memory = plan(it.snapshot, it.desired, it.memory, it.now)
    assert [each for each in check(made, it.snapshot, it.desired, it.memory) if each.level is Level.FATAL] == []
    return made


def registrations(made: Plan) -> list[RegisterKey]:
    return [step for step in made.steps if isinstance(step, RegisterKey)]


def names(made: Plan) -> list[str]:
    return [step.name for step in registrations(made)]


def known(it: Host) -> Reservation:
    return it.memory.maps[WWID].reservation


def came(it: Host, made: Plan, outcome: Outcome) -> None:
    """Every registration has this outcome."""
    pairs = [(step, outcome if isinstance(step, RegisterKey) else Changed()) for step in made.steps]
    it.memory = after_apply(it.memory, made, pairs, it.now)


def test_every_path_is_registered_once() -> None:
    it = host(known=SET)
    made = planned(it)
    assert names(made) == ["sda", "sdb"]
    assert only(made).action == "register"
    came(it, made, Registered())
    assert planned(it).steps == ()


def test_nobody_asks_through_a_map_without_a_key() -> None:
    it = host(key=None)
    assert planned(it).steps == ()
    assert known(it).status is Status.UNSET


def test_while_the_file_of_keys_can_not_be_read_nothing_is_concluded() -> None:
    it = host(key=None)
    (want,) = it.desired.maps
    from_file = {**want.properties, "reservation_key": Resolved("file", Origin(OriginKind.DEFAULTS))}
    it.desired = replace(it.desired, maps=(replace(want, properties=from_file),))
    it.snapshot = replace(it.snapshot, gaps=(Gap("/etc/multipath/prkeys", "text", "EIO"),))
    assert planned(it).steps == ()
    assert known(it).status is Status.UNKNOWN


def test_an_nvme_path_knows_no_such_registrations() -> None:
    it = host()
    it.snapshot = replace(it.snapshot, paths=tuple(replace(path, bus=Bus.NVME) for path in it.snapshot.paths))
    assert planned(it).steps == ()
    assert known(it).status is Status.UNSET


def test_who_does_not_stay_registers_nothing() -> None:
    it = host()
    assert registrations(plan(it.snapshot, it.desired, Memory(), NOW)[0]) == []


def test_the_first_questions_ask_for_the_holder_too() -> None:
    assert all(step.ask_holder for step in registrations(planned(host())))
    assert not any(step.ask_holder for step in registrations(planned(host(known=SET))))


@pytest.mark.parametrize("state", [DOWN, PathState.PENDING, PathState.DELAYED], ids=str)
def test_a_path_that_is_not_usable_is_not_registered(state: PathState) -> None:
    it = host(known=SET)
    it.state(sda=state)
    assert names(planned(it)) == ["sdb"]


def test_a_path_whose_identity_is_due_is_not_registered_though_dm_uses_it() -> None:
    it = host(known=SET)
    it.remember(0, due(stored(UP)))
    assert names(planned(it)) == ["sdb"]


def due(memory: PathMemory) -> PathMemory:
    return replace(memory, identity=replace(memory.identity, epoch=memory.identity.epoch + 1, due="session back"))


def test_a_path_in_another_epoch_is_registered_again_before_it_is_reinstated() -> None:
    it = host(known=SET)
    came(it, planned(it), Registered())
    memory = due(stored(UP))
    it.remember(0, replace(memory, identity=replace(memory.identity, due="")))
    (want,) = it.desired.maps
    it.snapshot = replace(it.snapshot, maps=(running(want, failed=[0]),))
    assert kinds(planned(it).steps) == ["RegisterKey", "ReinstatePath"]


def test_a_new_path_is_registered_before_the_table_with_it_is_loaded() -> None:
    it = host(3, known=SET)
    came(it, planned(it), Registered())
    it.memory = with_reservation(it.memory, WWID, replace(SET, settled=settled_but(it, 2)))
    it.snapshot = replace(it.snapshot, maps=(running(wanted("a", range(2))),))
    assert kinds(planned(it).steps)[:2] == ["RegisterKey", "ReloadMap"]


def settled_but(it: Host, number: int) -> dict[DevT, int]:
    epochs = {each: memory.identity.epoch for each, memory in it.memory.paths.items()}
    return {each: epoch for each, epoch in epochs.items() if each != dev(number)}


def test_a_refusal_is_held_for_a_while_and_the_path_used_all_the_same() -> None:
    it = host(known=SET)
    made = planned(it)
    came(it, made, Refused(5, "no"))
    assert planned(it).steps == ()
    it.now += 5
    assert names(planned(it)) == ["sda", "sdb"]


def test_claimed_paths_come_first_and_need_no_more_registrations_than_were_claimed() -> None:
    it = host(3, known=registered(Reservation(), claimed=[dev(1), dev(2)]))
    made = registrations(planned(it))
    assert [(step.name, step.enough) for step in made] == [("sdb", 2), ("sdc", 2), ("sda", 0)]


def test_a_claim_counts_once() -> None:
    it = host(2, known=registered(Reservation(), claimed=[dev(0), dev(1)]))
    came(it, planned(it), Refused(5, "no"))
    it.now += 5
    assert [step.enough for step in registrations(planned(it))] == [0, 0]


def test_the_former_key_is_in_the_step_while_it_is_exchanged() -> None:
    it = host(known=changed_key(SET, old=0x5, new=0xABC))
    assert {step.former for step in registrations(planned(it))} == {0x5}


# ---- safety


def step_on(number: int = 0, **more: object) -> Step:
    made = RegisterKey(map=A, dev=dev(number), name=DeviceName("sd" + "abc"[number]), key=0xABC)
    return replace(made, **more)  # type: ignore[arg-type]


def stopped(it: Host, step: Step) -> bool:
    found = check(Plan(maps=(of(step),)), it.snapshot, it.desired, it.memory)
    return any(each.rule == "registration" and each.level is Level.FATAL for each in found)


def test_the_safety_rules_let_a_registration_pass() -> None:
    assert not stopped(host(), step_on())


def test_the_safety_rules_stop_registrations_elsewhere() -> None:
    it = host()
    assert stopped(it, step_on(2)), "a stranger"
    assert stopped(it, step_on(name=DeviceName("sdb"))), "another name"
    it.remember(0, due(stored(UP)))
    assert stopped(it, step_on()), "nobody knows who it is"


# ---- what is remembered


STEP = RegisterKey(map=A, dev=dev(0), name=DeviceName("sda"), key=0xABC, epoch=7)
UNSET = replace(SET, status=Status.UNSET)


@pytest.mark.parametrize(
    ("before", "outcome", "expected"),
    [
        pytest.param(Reservation(), Registered(held=True), (Status.SET, Status.SET, True, 7), id="found held"),
        pytest.param(Reservation(), Registered(held=False), (Status.SET, Status.UNSET, True, 7), id="found free"),
        pytest.param(SET, Registered(), (Status.SET, Status.UNSET, True, 7), id="registered"),
        pytest.param(Reservation(), Unregistered(""), (Status.UNSET, Status.UNSET, False, None), id="never registered"),
        pytest.param(SET, Unregistered(""), (Status.UNSET, Status.UNSET, True, 7), id="fenced off"),
        pytest.param(SET, Refused(5, ""), (Status.SET, Status.UNSET, True, None), id="refused"),
        pytest.param(SET, Lost(""), (Status.SET, Status.UNSET, True, None), id="gone"),
        pytest.param(UNSET, Changed(), (Status.UNSET, Status.UNSET, True, 7), id="taken away"),
        pytest.param(UNSET, Registered(), (Status.UNSET, Status.UNSET, True, None), id="unset by command meanwhile"),
    ],
)
def test_what_came_of_a_step_is_remembered(
    before: Reservation, outcome: Outcome, expected: tuple[Status, Status, bool, int | None]
) -> None:
    found = after(before, STEP, outcome)
    assert (found.status, found.held, found.ever, found.settled.get(dev(0))) == expected


def test_setting_what_is_set_only_ends_the_exchange_of_keys() -> None:
    assert registered(replace(SET, former=5, settled={dev(0): 7})) == replace(SET, settled={dev(0): 7})


def test_unsetting_leaves_the_paths_that_stay_as_they_are() -> None:
    it = host(known=unregistered(SET, {dev(0): 0, dev(1): 0}))
    epochs = {each: memory.identity.epoch for each, memory in it.memory.paths.items()}
    it.memory = with_reservation(it.memory, WWID, unregistered(SET, epochs))
    assert planned(it).steps == ()


def test_going_back_to_the_key_before_forgets_the_one_in_between() -> None:
    exchanged = changed_key(SET, old=1, new=2)
    assert exchanged.former == 1
    assert changed_key(exchanged, old=2, new=1).former == 0


def test_a_reconfigure_asks_again_only_where_nothing_was_registered() -> None:
    assert asked_anew(SET) is SET
    assert asked_anew(UNSET).status is Status.UNKNOWN


def test_what_was_settled_of_a_device_that_is_gone_is_forgotten() -> None:
    it = host(known=replace(SET, settled={dev(0): 7, dev(9): 7}))
    planned(it)
    assert known(it).settled == {dev(0): 7}


def test_another_device_under_a_number_is_not_settled() -> None:
    memory = with_reservation(Memory(resident=True), WWID, replace(SET, settled={dev(0): 0, dev(1): 0}))
    assert without_device(memory, dev(0)).maps[WWID].reservation.settled == {dev(1): 0}
    assert without_device(memory, dev(2)) is memory
