"""Retries: only what a policy names, only so often, and by the host's own clock."""

import errno
import subprocess
import sys

import pytest

from actuators.retry import BUSY, INTERRUPTED, again
from observers.errors import KernelRefused

from .scripted import ScriptedHost


class Refusing:
    """A call that is refused with one errno after the other, then works."""

    def __init__(self, *errors: int) -> None:
        self.errors, self.calls = list(errors), 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise KernelRefused(self.errors.pop(0), sent="a call")
        return "done"


def test_busy_is_tried_again_until_it_works() -> None:
    host, call = ScriptedHost(), Refusing(errno.EBUSY, errno.EINTR, errno.EBUSY)
    assert again(host, call, BUSY) == "done"
    assert host.slept == [0.02, 0.04, 0.08]


def test_a_device_that_is_gone_is_not_asked_again() -> None:
    host, call = ScriptedHost(), Refusing(errno.ENXIO)
    with pytest.raises(KernelRefused) as caught:
        again(host, call, BUSY)
    assert (caught.value.errno, call.calls, host.slept) == (errno.ENXIO, 1, [])


def test_the_last_refusal_is_what_comes_out() -> None:
    host, call = ScriptedHost(), Refusing(*[errno.EBUSY] * 100)
    with pytest.raises(KernelRefused) as caught:
        again(host, call, BUSY)
    assert (caught.value.errno, call.calls) == (errno.EBUSY, BUSY.attempts)


def test_waiting_for_a_busy_device_ends_after_some_five_seconds() -> None:
    host = ScriptedHost()
    with pytest.raises(KernelRefused):
        again(host, Refusing(*[errno.EBUSY] * 100), BUSY)
    assert 4.0 < host.now < 6.0


def test_busy_is_not_retried_where_only_signals_are() -> None:
    call = Refusing(errno.EBUSY)
    with pytest.raises(KernelRefused):
        again(ScriptedHost(), call, INTERRUPTED)
    assert call.calls == 1


def test_asyncio_is_not_loaded_by_retrying() -> None:
    program = (
        "import sys\n"
        "from actuators.retry import BUSY, again\n"
        "from tests.actuators.scripted import ScriptedHost\n"
        "from tests.actuators.test_retry import Refusing\n"
        "assert again(ScriptedHost(), Refusing(16, 16), BUSY) == 'done'\n"
        "print('asyncio' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
