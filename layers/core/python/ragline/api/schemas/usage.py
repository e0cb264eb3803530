"""What a tenant holds and used, and what that costs."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Held(BaseModel):
    documents: int
    bytes: int = Field(description="Of the uploads.")
    chunks: int


class Cost(BaseModel):
    item: str
    quantity: float
    usd: float


class FunctionUse(BaseModel):
    """What one function did for the tenant, as it measured itself."""

    function: str
    invocations: float
    milliseconds: float
    gb_seconds: float
    requests: dict[str, float] = Field(description="Requests and units that are paid, by kind.")
    usd: float = Field(description="Its time and invocations; what it requested is in `costs`.")


class PriceTable(BaseModel):
    as_of: str = Field(description="The month of AWS' list prices that were used.")
    region: str


class UsageView(BaseModel):
    """Measured, and approximate: what a function that was killed had not told yet is missing."""

    month: str
    holds: Held
    functions: list[FunctionUse]
    costs: list[Cost]
    usd: float = Field(description="All of `costs`.")
    usd_per_chunk: float | None = Field(
        description="What taking in a chunk cost this month; null if there were none."
    )
    storage: list[Cost] = Field(
        description="What keeping what is held now costs in a whole month, besides `usd`."
    )
    prices: PriceTable
