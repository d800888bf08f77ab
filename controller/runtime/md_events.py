"""What makes the daemon look at md arrays: events of /proc/mdstat as soon as there is one, and what tells of that.

Theory of operation. md is a module, and the daemon starts before most arrays are assembled: at its start there may be
no /proc/mdstat. So wherever there is word of md (a uevent of an array, lost uevents, a configuration that was read
again) it is looked for anew. Once it is open its events tell of everything; until then the arrays that are known are
looked at in intervals (`MdService.due`).

In: word of md. Out: turns of the `MdService`. It must never wait, nor decide.
"""

from collections.abc import Callable

from controller.runtime.loop import Loop
from controller.runtime.md_service import MdService
from controller.runtime.sources import Source


class MdEvents:
    """Of one host. `open_`: /proc/mdstat as a source; None while there is none."""

    def __init__(self, md: MdService, loop: Loop, open_: Callable[[], Source | None]) -> None:
        self._md, self._loop, self._open = md, loop, open_

    def look(self, now: float) -> None:
        """At the start, and when there is word of md."""
        if not self._md.heard:
            self._listen()
        self._md.turn(now)

    def _listen(self) -> None:
        source = self._open()
        if source is None:
            return

        def handle(now: float) -> None:
            source.read()
            self._md.turn(now)

        self._loop.listen(source, handle)
        self._md.heard = True
