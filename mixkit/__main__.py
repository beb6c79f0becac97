"""`python -m mixkit`."""

from mixkit.cli import main

main()
