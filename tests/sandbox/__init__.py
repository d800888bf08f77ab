"""Tests of the in-memory kernel and of scenario files."""
