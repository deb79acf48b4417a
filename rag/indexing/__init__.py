"""Documents into the index and out of it: what is new, what changed, what failed, what is gone."""
