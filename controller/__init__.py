"""The controller: decides (`reconcile`), runs (`runtime`), and talks (`cli`, `protocol`)."""
