"""Deciding: from snapshots and desired states to plans, without a host."""
