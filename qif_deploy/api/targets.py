"""List the packaged profiles."""

from __future__ import annotations

from qif_deploy.api.results import TargetsOutcome
from qif_deploy.pricing.price_list import load_price_list


def targets() -> TargetsOutcome:
    """Return every packaged target and price list with its sources."""
    from qif_deploy.pricing.price_list import PRICES
    from qif_hardware.target import list_targets

    lists = [load_price_list(path.stem) for path in sorted(PRICES.glob("*.toml"))]
    return TargetsOutcome(targets=tuple(target.as_json() for target in list_targets()), energy=tuple(y.as_json() for y in lists))
