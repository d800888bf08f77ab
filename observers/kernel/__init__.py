"""Kernel ABI codecs (pure pack and unpack) and the one place that makes the calls."""
