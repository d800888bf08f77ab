"""All rows, in an order in which those that change something can follow each other."""

from tests.clients import monitoring, storage_drivers, systems, virtualisation
from tests.clients.rows import ROWS, Row

MODULES = (storage_drivers, virtualisation, systems, monitoring)
"""Those that have rows: importing them is what makes the rows."""

TABLE: tuple[Row, ...] = tuple(ROWS)
OF_THE_SOCKET: tuple[Row, ...] = tuple(each for each in TABLE if not each.kernel)
"""Those that need no more than a daemon's socket."""
