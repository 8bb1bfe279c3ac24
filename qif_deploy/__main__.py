"""``python -m qif_deploy``."""

from qif_deploy.cli.entry import main

if __name__ == "__main__":
    main()
