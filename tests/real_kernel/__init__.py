"""What mpathctl does on a real kernel, in a test machine of tests/vm. All of them have the marker `vm`.

A test gets a clean machine with no disks, sets up its rig, runs the installed command in the guest, and judges by what
Debian's own tools (dmsetup, udevadm, multipathd 0.9.4) and sysfs say. Emulated: a call takes seconds, so one test goes
through a short story rather than one call, and waits are for conditions only.
"""
