"""The controller: decides (`reconcile`), runs (`runtime`), and talks (`cli`, `protocol`)."""

__version__ = "0.1.0"
