"""What runs: the cycle of observe, derive, plan, apply, verify, once; and the daemon, which goes on with it."""
