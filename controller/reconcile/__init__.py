"""Reconciliation: pure functions from what is and what should be to the steps between them."""
