"""The real-kernel harness: images of a small Debian, a machine that boots them in qemu, and the scripts in it.

Nothing here knows of mpathctl but that its repository is mounted in the guest. Emulated only: a test must wait for a
condition with a generous limit, never for a time.
"""
