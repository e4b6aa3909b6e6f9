"""What a session is, how it moves, and where it is kept."""
