"""The in-memory kernel: a `Host` for demos, what-if runs and tests, and the scenario files that describe a SAN."""
