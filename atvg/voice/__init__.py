"""Sound in: what the networks hear of it."""
