"""`python -m mixkit`: the command line as a module."""

from mixkit.cli import main

main()
