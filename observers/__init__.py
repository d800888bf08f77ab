"""Observers read the host and never change it; what they return is a `Snapshot` (see `observers.snapshot`)."""
