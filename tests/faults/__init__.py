"""What goes wrong between processes: simulated from a seed, checked over histories, and drilled on real servers."""
