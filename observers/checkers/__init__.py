"""Path checkers: one module each, listed in `CHECKERS`."""
