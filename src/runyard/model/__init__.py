"""Records, states, events and the rules between them. Pure: no clock, no randomness, no I/O."""
