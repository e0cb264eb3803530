"""The price table and the measured figures, as the files beside this module have them."""

from __future__ import annotations

import json
import math
import tomllib
from functools import cache
from pathlib import Path

from ragline.domain.analyses import MILLION, TokenPrices
from ragline.domain.costs import Prices
from ragline.domain.errors import SetupError
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


def token_prices(model: str, said: str = "") -> TokenPrices | None:
    """A vision model's: ``said``, such as ``0.06,0.24`` (dollars for a million tokens, those that
    go in and those that come out), else the table's; None if neither knows.

    Raises:
        SetupError: what is said are not two prices.
    """
    if said:
        try:
            into, out = (float(part) for part in said.split(","))
        except ValueError:
            into = out = -1.0
        if not (0 <= into < math.inf and 0 <= out < math.inf):
            raise SetupError(
                f"VISION_PRICES={said!r}: give dollars for a million tokens in and out, as "
                "'0.06,0.24'."
            )
        return TokenPrices(into, out)
    # The id of an inference profile is the model's with where it may run before it: eu.amazon…
    for name in (model, model.partition(".")[2]):
        into_out = [prices().rates.get(f"bedrock.{name}.{way}") for way in ("input", "output")]
        if None not in into_out:
            return TokenPrices(*(MILLION * rate for rate in into_out if rate is not None))
    return None


@cache
def figures() -> Figures:
    """Read once, when first asked for."""
    return Figures(**json.loads(FIGURES.read_text(encoding="utf-8")))
