"""Sysfs attributes that the paths of a map should have set: what to write, in which order, and what became of it.

Theory of operation. Nothing of a map's table depends on these writes, so they are planned after everything else and put
in front of it, behind the messages that stop damage: a disk's request size has to be right before a map is made over
it, and is never touched under one that lives, whose requests may be larger already. A port or adapter that many maps
share is set once, by the first of them.

The kernel checks the two timeouts of a Fibre Channel port against each other at each write, so they are written in an
order in which it always has two that fit: dev_loss_tmo up for the moment if need be, then fast_io_fail_tmo, then
dev_loss_tmo. While the port is away it takes neither. An attribute that refused, or in which the kernel keeps another
value than was written, is left alone until one of the two values changes (a refusal: for a while).

In: the view, the plans so far, what is remembered of earlier writes. Out: plans, the next memory. It must never have a
write repeated that the kernel answered already.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from actuators.steps import Changed, CreateMap, FailPath, MapRef, Outcome, Refused, Step, WriteTunable
from controller.reconcile.order import Draft
from controller.reconcile.plan import MapPlan, Tuned
from controller.reconcile.view import View, incomplete
from desired.model import DesiredMap, Tuning
from observers.snapshot import MPATH_PREFIX, Wwid

ACTION = "tunables"
BEFORE_CREATE = "max_sectors_kb"
FAST_FAIL, DEV_LOSS = "fast_io_fail_tmo", "dev_loss_tmo"
AWAY = ("port_state", "Online"), ("state", "LOGGED_IN")
"""Attributes beside others that can't be set unless this one is so: of a Fibre Channel port, of an iSCSI session."""

TunedFiles = Mapping[str, Tuned]

NOTHING_REMEMBERED: TunedFiles = {}


def with_tunables(view: View, drafts: Iterable[Draft]) -> tuple[MapPlan, ...]:
    """The plans, with what the paths of each map should have set."""
    done: set[str] = set()
    return tuple(_tuned(view, draft.plan, done) for draft in drafts)


def _tuned(view: View, plan: MapPlan, done: set[str]) -> MapPlan:
    wanted = view.wanted.get(plan.wwid)
    if view.blind or wanted is None or wanted.reject or not wanted.tunings or _left_alone(view, plan.wwid):
        return plan
    creating = any(isinstance(step, CreateMap) for step in plan.steps)
    now = _now(view, wanted)
    due = [
        tuning
        for tuning in wanted.tunings
        if now.get(tuning.file, tuning.wanted.value) != tuning.wanted.value
        and tuning.file not in done
        and (creating or tuning.name != BEFORE_CREATE)
    ]
    done.update(tuning.file for tuning in due)
    return _with(view, plan, due, now) if due else plan


def _left_alone(view: View, wwid: Wwid) -> bool:
    """Whether nothing is done to the map anyway: somebody suspended it, or too little is known of it."""
    live = view.live.get(wwid)
    return live is not None and (bool(incomplete(view, live)) or (live.suspended and live.table is not None))


def _now(view: View, wanted: DesiredMap) -> dict[str, str]:
    """What is in each attribute of the map's paths."""
    paths = (view.paths.get(member.dev) for member in wanted.members)
    return {each.file: each.value for path in paths if path is not None for each in path.tunables}


def _with(view: View, plan: MapPlan, due: Sequence[Tuning], now: Mapping[str, str]) -> MapPlan:
    ref = MapRef(plan.uuid, plan.name)
    tried = view.memory.tuned.get(plan.wwid, NOTHING_REMEMBERED)
    steps: list[Step] = []
    kept = {tuning.file: why for tuning in due if (why := _kept(tuning, now, tried.get(tuning.file), at=view.now))}
    for folder in dict.fromkeys(_folder(tuning.file) for tuning in due):
        mine = {each.name: each for each in due if _folder(each.file) == folder and each.file not in kept}
        steps += _writes(ref, mine, folder, now)
    first = next((at for at, step in enumerate(plan.steps) if not isinstance(step, FailPath)), len(plan.steps))
    return replace(
        plan,
        action=ACTION if steps and not plan.steps else plan.action,
        steps=(*plan.steps[:first], *steps, *plan.steps[first:]),
        reasons=(*plan.reasons, *_reasons(due, now, kept)),
        wake_at=_wake_at(plan.wake_at, (tried[file].retry_at for file in kept if file in tried), now=view.now),
    )


def _wake_at(before: float | None, retries: Iterable[float | None], *, now: float) -> float | None:
    """When the map is looked at again, at the latest when an attribute that refused is asked again."""
    later = [at for at in retries if at is not None and at > now]
    return min(later if before is None else [before, *later], default=None)


def _reasons(due: Iterable[Tuning], now: Mapping[str, str], kept: Mapping[str, str]) -> list[str]:
    """What changes and why, once for all objects that are alike."""
    owners: dict[tuple[str, str], list[str]] = {}
    for each in due:
        text = f"{each.name} {now[each.file]} -> {each.wanted.value}"
        key = (text, f"{each.wanted.origin}{kept.get(each.file, '')}")
        owners.setdefault(key, []).append(_owner(each.file))
    return [f"{text} of {', '.join(names)}: {why}" for (text, why), names in owners.items()]


def _folder(file: str) -> str:
    return file.rpartition("/")[0]


def _owner(file: str) -> str:
    """What has the attribute: `rport-1:0-0`, `host1`, `sda`."""
    return _folder(file).removesuffix("/queue").rpartition("/")[2]


def _kept(tuning: Tuning, now: Mapping[str, str], tried: Tuned | None, *, at: float) -> str:
    """Why the attribute is not written now, or empty."""
    for name, there in AWAY:
        state = now.get(f"{_folder(tuning.file)}/{name}", there)
        if state != there:
            return f", when its target is back: now it is {state}"
    if tried is None or (tried.asked, tried.kept) != (tuning.wanted.value, now[tuning.file]):
        return ""
    if tried.retry_at is None:
        return f", but the kernel makes {tried.kept} of it"
    if at >= tried.retry_at:
        return ""
    return f", not now: refused ({tried.why}); tries again in {tried.retry_at - at:.0f} s"


def _writes(ref: MapRef, due: Mapping[str, Tuning], folder: str, now: Mapping[str, str]) -> list[Step]:
    """The writes to the attributes of one object, in an order that the kernel takes."""
    fail, loss = due.get(FAST_FAIL), due.get(DEV_LOSS)
    if fail is None:
        return [_write(ref, each.file, each.wanted.value, now[each.file]) for each in due.values()]
    file = f"{folder}/{DEV_LOSS}"
    has = now.get(file, "")
    steps = []
    if fail.wanted.value.isdigit() and has.isdigit() and int(fail.wanted.value) >= int(has):
        raised = str(int(fail.wanted.value) + 1)
        steps, has = [_write(ref, file, raised, has)], raised
    steps.append(_write(ref, fail.file, fail.wanted.value, now[fail.file]))
    if loss is not None and loss.wanted.value != has:
        steps.append(_write(ref, file, loss.wanted.value, has))
    return steps


def _write(ref: MapRef, file: str, value: str, expected: str) -> Step:
    return WriteTunable(map=ref, file=file, value=value, expected=expected)


def after_writing(
    before: Mapping[Wwid, TunedFiles],
    outcomes: Sequence[tuple[Step, Outcome]],
    *,
    retry_at: Callable[[int], float],
) -> dict[Wwid, TunedFiles]:
    """The attributes that did not take their value. `retry_at`: when (monotonic) one is asked again that refused so
    often in a row: soon at first, for its port may have been away without anybody having noticed."""
    found = {wwid: dict(files) for wwid, files in before.items()}
    for step, outcome in outcomes:
        if not isinstance(step, WriteTunable):
            continue
        files = found.setdefault(Wwid(step.map.uuid.removeprefix(MPATH_PREFIX)), {})
        earlier = files.pop(step.file, None)
        if isinstance(outcome, Refused):
            asked, kept, times = step.value, step.expected, 1
            if earlier is not None and (earlier.asked, earlier.kept) == (asked, kept):
                times += earlier.times
            at = retry_at(times)
            files[step.file] = Tuned(asked=asked, kept=kept, why=outcome.message, retry_at=at, times=times)
        elif isinstance(outcome, Changed) and outcome.kept:
            files[step.file] = Tuned(asked=step.value, kept=outcome.kept)
    return {wwid: files for wwid, files in found.items() if files}
