"""Citations: what can be quoted, where a claim stands, and whether its source says it."""
