"""`python -m cli` is the `autopilot` command without an installed script."""

from cli.main import main

main()
