"""``python -m qif_deploy.cli``."""

from qif_deploy.cli.entry import main

main()
