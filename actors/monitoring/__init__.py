"""How what is measured gets from the processes into Redis: flushes, the monitor that merges them, health checks."""
