"""Records as each schema wrote them, and the values that they have to read back to."""
