"""Paths that keep failing: when to hold one back although it answers well.

Theory of operation. Two accounts are kept, of which a configuration has at most one in force. *Errors*
(san_path_err_*): each return from bad to good counts; over the threshold the path is held for the recovery time, which
begins anew whenever it turns bad meanwhile, and good checks make failures forgotten one by one. *Sampling*
(marginal_path_*): a second failure within a given time makes a path suspect; once it answers again it is read from for
a while, and the rate of failed reads decides whether it is given back or held until it is sampled anew.

    idle -> counting -> suspect -> sampling -> idle, or waiting -> sampling ...

Under both, a path is given back early when its map has no other path that works: a bad path is better than none.

In: an account, what happened, the limits, the time. Out: the next account, and whether the path is held. Pure; must
never be asked about a path that does not answer.
"""

from dataclasses import dataclass, replace
from enum import Enum

from desired.care import ErrorLimits, SampleLimits

PER_MILLE = 1000
"""The unit of marginal_path_err_rate_threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """The account of san_path_err_*. `forget`: good checks until one failure is forgotten. `held_until`: monotonic
    seconds; None: the path is not held."""

    failures: int = 0
    forget: int = 0
    held_until: float | None = None


NO_ERRORS = Errors()


def answered(errors: Errors, limits: ErrorLimits, *, was_bad: bool, alone: bool, now: float) -> Errors:
    """The account after a good answer. `was_bad`: the stored state was bad until now. `alone`: no other path works."""
    if errors.held_until is not None:
        return _held(errors, limits, was_bad=was_bad, alone=alone, now=now)
    if was_bad:
        forget = errors.forget if errors.failures else limits.forget_rate
        counted = Errors(failures=errors.failures + 1, forget=forget)
        over = counted.failures > limits.threshold and not alone
        return replace(counted, held_until=now + limits.recovery_time) if over else counted
    if not errors.failures:
        return errors
    if errors.forget > 0:
        return replace(errors, forget=errors.forget - 1)
    return Errors(failures=errors.failures - 1, forget=limits.forget_rate)


def _held(errors: Errors, limits: ErrorLimits, *, was_bad: bool, alone: bool, now: float) -> Errors:
    if alone:
        return NO_ERRORS
    if was_bad:
        return replace(errors, forget=limits.forget_rate, held_until=now + limits.recovery_time)
    return NO_ERRORS if errors.held_until is not None and now >= errors.held_until else errors


class Phase(Enum):
    """Where a path is in being sampled."""

    IDLE = "idle"
    COUNTING = "counting"
    """It failed once."""
    SUSPECT = "suspect"
    """It failed twice in a short time; it is sampled as soon as it answers."""
    SAMPLING = "sampling"
    WAITING = "waiting"
    """Too many reads failed; it is sampled again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """The account of marginal_path_*. `since`: when the phase began; `until`: when it ends (monotonic seconds).
    `reads`, `failed`: of the sample that is being taken, or was taken last."""

    phase: Phase = Phase.IDLE
    since: float = 0.0
    until: float | None = None
    reads: int = 0
    failed: int = 0

    @property
    def holds(self) -> bool:
        """Whether the path is held back."""
        return self.phase in (Phase.SUSPECT, Phase.SAMPLING, Phase.WAITING)


NOT_SAMPLED = Sampling()


def failed(sampling: Sampling, limits: SampleLimits, *, now: float) -> Sampling:
    """The account after the path failed."""
    if sampling.holds:
        return sampling
    twice = sampling.phase is Phase.COUNTING and now - sampling.since <= limits.double_failed_time
    return Sampling(phase=Phase.SUSPECT if twice else Phase.COUNTING, since=now)


def answers(sampling: Sampling, limits: SampleLimits, *, alone: bool, now: float) -> Sampling:
    """The account after a good answer. `alone`: no other path of the map works."""
    if not sampling.holds:
        return sampling
    if alone:
        return NOT_SAMPLED
    over = sampling.until is not None and now >= sampling.until
    if sampling.phase is Phase.SUSPECT or (sampling.phase is Phase.WAITING and over):
        return Sampling(phase=Phase.SAMPLING, since=now, until=now + limits.sample_time)
    return sampled(sampling, limits, reads=0, failed_reads=0, alone=alone, now=now)


def sampled(
    sampling: Sampling, limits: SampleLimits, *, reads: int, failed_reads: int, alone: bool, now: float
) -> Sampling:
    """The account after some reads of the sample came back; at the end of its time, the verdict."""
    if sampling.phase is not Phase.SAMPLING:
        return sampling
    counted = replace(sampling, reads=sampling.reads + reads, failed=sampling.failed + failed_reads)
    if sampling.until is None or now < sampling.until:
        return counted
    if alone or counted.failed * PER_MILLE <= limits.rate_threshold * counted.reads:
        return replace(NOT_SAMPLED, reads=counted.reads, failed=counted.failed)
    return replace(counted, phase=Phase.WAITING, since=now, until=now + limits.recheck_gap_time)
