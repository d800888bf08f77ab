"""Desired state: pure functions from configuration texts and a `Snapshot` to a `Desired` (see `desired.model`)."""
