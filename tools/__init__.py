"""Faces: the command line, and adapters to agents and frameworks."""
