"""Runs in the guest: what Fibre Channel hosts announce when the link between two of them goes down.

    python -m tests.real_kernel.guest_fc_events

In: `rig-fcoe`, with at least one path. Out: one line of JSON with the events up to that of our own end, as they are
parsed. The link stays down.
"""

import json
import select
import subprocess
import sys
import time

from observers.event_sources import fc_events
from observers.kernel.transport_event import TransportEvent

LIMIT = 60.0
"""Seconds: generous, as the processor is emulated."""


def main() -> None:
    """See the module."""
    source = fc_events()
    ours = int(subprocess.run(["rig-fcoe", "host", "1"], check=True, capture_output=True, text=True).stdout)
    subprocess.run(["rig-fcoe", "carrier", "1", "down"], check=True)
    poll = select.poll()
    poll.register(source.fileno(), select.POLLIN)
    seen: list[TransportEvent] = []
    end = time.monotonic() + LIMIT
    while not any(event.host == ours for event in seen):
        if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
            sys.exit("no event came")
        seen += [event for event in source.read() if isinstance(event, TransportEvent)]
    print(json.dumps([(event.host, event.transport, event.kind) for event in seen]))


if __name__ == "__main__":
    main()
