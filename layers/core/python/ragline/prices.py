"""The price table and the measured figures, as the files beside this module have them."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path

from ragline.domain.costs import Prices
from ragline.domain.figures import Figures

FIGURES = Path(__file__).with_name("figures.json")
"""What ``python -m tests.cost_figures`` measured and wrote."""


@cache
def prices() -> Prices:
    """Read once, when first asked for."""
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    services = {name: rates for name, rates in table.items() if isinstance(rates, dict)}
    return Prices(
        as_of=table["as_of"],
        region=table["region"],
        rates={
            f"{service}.{name}": rate["usd"] / rate["per"]
            for service, rates in services.items()
            for name, rate in rates.items()
            if isinstance(rate, dict)
        },
        sources={service: rates["source"] for service, rates in services.items()},
    )


@cache
def figures() -> Figures:
    """Read once, when first asked for."""
    return Figures(**json.loads(FIGURES.read_text(encoding="utf-8")))
