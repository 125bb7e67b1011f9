"""`python -m alambique.cli`: the same as `alambique`."""

from alambique.cli import main

main()
