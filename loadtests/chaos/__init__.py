"""Session owners as real processes that are killed, stopped and cut off under load, and the reckoning afterwards."""
