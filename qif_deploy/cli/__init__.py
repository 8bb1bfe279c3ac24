"""The command line: parses, calls one public function per verb, prints. It computes nothing.

Exit codes: 0 done and holds; 1 ran, and a check does not hold; 2 bad input or usage; 130 interrupted.
"""

from qif_deploy.cli.entry import main

__all__ = ["main"]
