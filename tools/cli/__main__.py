"""`python -m lateral.tools.cli`: the command line without its script."""

from .app import main

main()
