"""Actuators do what one step says and report an `Outcome`; they take no decisions (see `actuators.steps`)."""
