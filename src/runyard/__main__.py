"""`python -m runyard` is `ry`."""

from runyard.cli.main import main

main()
