"""docs/cost.md says what the template, the measured figures and the price table come to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ragline.domain.costs import ARCHITECTURE, GIGABYTE, RATES, Prices, bill, spent
from ragline.domain.figures import Size, ingest_lines, size_of, storage_lines
from ragline.domain.usage import METERS, Usage
from ragline.local.template import load
from ragline.prices import figures, prices
from tests import cost_tables

TEXT = cost_tables.PAGE.read_text()


@pytest.mark.parametrize("name", ["ingest", "idle", "prices"])
def test_the_page_has_the_table_that_is_computed(name: str) -> None:
    assert cost_tables.placed(TEXT, name, cost_tables.tables()[name]) == TEXT


def test_a_million_chunks_in_documents_of_a_hundred_cost_at_most_five_dollars() -> None:
    assert spent(cost_tables.ingest(100)) <= cost_tables.INGEST_GOAL


def test_a_stack_without_alarms_and_dashboard_rests_for_at_most_five_dollars() -> None:
    assert spent(cost_tables.idle("none")) <= cost_tables.IDLE_GOAL


def test_the_columns_of_the_idle_table_are_the_values_of_the_parameter() -> None:
    parameter = load(cost_tables.ROOT / "template.yaml")["Parameters"]["Observability"]
    assert tuple(parameter["AllowedValues"]) == cost_tables.OBSERVABILITY
    assert parameter["Default"] == cost_tables.OBSERVABILITY[0]


def test_each_step_of_observability_costs_what_it_deploys() -> None:
    full, alarms, none = (spent(cost_tables.idle(one)) for one in cost_tables.OBSERVABILITY)
    rates = prices().rates
    assert full - alarms == pytest.approx(rates["cloudwatch.dashboard_month"])
    watched = cost_tables.alarm_metrics() * rates["cloudwatch.alarm_metric_month"]
    assert alarms - none == pytest.approx(watched)


def test_a_dashboard_of_many_metrics_is_not_taken_to_be_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [line for line in cost_tables.idle() if "dashboards" in line.item]
    assert cost_tables.dashboard_metrics() > cost_tables.DASHBOARD_METRICS
    assert cost_tables.free(lines) == 0
    monkeypatch.setattr(cost_tables, "DASHBOARD_METRICS", 1_000)
    assert cost_tables.free(lines) == spent(lines)


def test_the_memory_of_the_figures_is_the_templates() -> None:
    assert figures().memory == cost_tables.memory()


def test_the_prices_are_those_of_the_architecture_that_the_template_deploys() -> None:
    globals_ = load(cost_tables.ROOT / "template.yaml")["Globals"]["Function"]
    assert globals_["Architectures"] == [ARCHITECTURE]


def test_every_price_says_where_it_is_from_and_when() -> None:
    table = prices()
    assert len(table.as_of) == len("2026-11")
    for name in table.rates:
        assert table.sources[name.split(".")[0]].startswith("https://aws.amazon.com/")
    assert set(RATES.values()) <= set(table.rates)
    assert set(RATES) <= set(METERS)


def test_a_bill_is_quantities_times_prices() -> None:
    table = Prices("2026-11", "nowhere", dict.fromkeys(prices().rates, 2.0))
    used = Usage("embedder", {"megabyte_milliseconds": 1_024_000 * 3, "s3_reads": 5, "chunks": 9})
    lines = {line.item: line for line in bill([used], table)}
    assert (lines["gb_seconds"].quantity, lines["gb_seconds"].usd) == (3, 6)
    assert lines["s3_reads"].usd == 10
    assert set(lines) == {"gb_seconds", "s3_reads"}


def test_twice_the_load_costs_twice_as_much() -> None:
    once = spent(ingest_lines(Size(10, 1_000), figures(), prices()))
    twice = spent(ingest_lines(Size(20, 2_000), figures(), prices()))
    assert twice == pytest.approx(2 * once)
    assert once > 0


def test_an_upload_is_a_put_besides_those_of_the_functions() -> None:
    nothing = replace(figures(), documents={}, chunks={})
    lines = {line.item: line.quantity for line in ingest_lines(Size(10, 0), nothing, prices())}
    assert lines["s3_writes"] == 10


def test_storage_is_by_the_upload_as_it_is() -> None:
    lines = {line.item: line for line in storage_lines(Size(1, 10, GIGABYTE), figures(), prices())}
    assert lines["uploads_gigabyte_months"].quantity == 1


def test_files_are_estimated_by_their_endings_and_none_has_less_than_a_chunk() -> None:
    measured = figures()
    size = size_of([(".pdf", int(measured.chunk_bytes[".pdf"] * 10)), (".strange", 1)], measured)
    assert (size.documents, size.chunks) == (2, 11)


def test_the_readmes_rows_of_cost_are_those_that_are_computed() -> None:
    readme = (cost_tables.ROOT / "README.md").read_text()
    told = [line for line in readme.splitlines() if "list price" in line and line[0] == "|"]
    if not told:
        pytest.skip("the README tells no costs")
    for row in cost_tables.readme_rows():
        assert row in readme
