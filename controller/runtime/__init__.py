"""What runs: the cycle of observe, derive, plan, apply, verify."""
