"""Floor under construction."""
