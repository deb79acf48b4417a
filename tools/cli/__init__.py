"""The command line: `lateral`."""
