"""HTML: the content of a page without what surrounds it, and in its own structure."""

from __future__ import annotations

import time

import pytest

from ragline.domain.chunks import Block
from ragline.domain.errors import LimitExceeded
from ragline.parsing import Format, Source, extract

TEXT = "The mercury column must be read at eye level every morning. " * 3


def blocks(markup: str) -> list[Block]:
    return list(extract(Source(markup.encode(), "a.html"), Format.HTML).blocks)


def texts(markup: str) -> list[str]:
    return [block.text for block in blocks(markup)]


@pytest.mark.parametrize(
    "around",
    [
        "<div id='onetrust-banner-sdk'>We value your privacy.</div>",
        "<div class='site-cookie-banner open'>We use cookies.</div>",
        "<div role='navigation'>Home</div>",
        "<form role=search>Find</form>",
        "<div hidden>Draft</div>",
        "<nav>Home</nav>",
    ],
)
def test_what_surrounds_the_content_is_left_out(around: str) -> None:
    assert texts(f"{around}after<p>{TEXT}</p>") == ["after", TEXT.strip()]


def test_a_text_about_cookies_is_no_banner() -> None:
    assert texts(f"<div class='cookie-recipe'><p>{TEXT}</p></div>") == [TEXT.strip()]
    long = TEXT * 40
    assert texts(f"<div class='consent-overlay'><p>{long}</p></div>") == [long.strip()]


def test_a_page_that_names_its_main_part_loses_its_own_header_and_footer() -> None:
    page = (
        "<header>Weather Service</header><main><header><h2>Care</h2></header>"
        f"<p>{TEXT}</p><aside>See also.</aside></main><footer>Imprint</footer>"
    )
    assert texts(page) == ["Care", TEXT.strip(), "See also."]
    titled = page.replace("Weather Service", "<h1>Barometers</h1>")
    assert texts(titled)[0] == "Barometers"
    short = page.replace(TEXT, "Short.").replace("Imprint", TEXT)
    assert texts(short)[-1] == TEXT.strip()


def test_ordered_lists_keep_their_numbers_and_terms_their_definitions() -> None:
    assert texts("<ol start=3><li>c<li>d<ul><li>x</ul><li value=9>i<li>j</ol>") == [
        "3. c\n4. d\n  - x\n9. i\n10. j"
    ]
    assert texts("<dl><dt>Rain</dt><dd>Water.</dd><dt>Snow<dd>Ice.</dl>") == [
        "- Rain\n  Water.\n- Snow\n  Ice."
    ]


def test_a_table_in_a_cell_stays_in_its_cell() -> None:
    page = (
        "<table><tr><th>Action</th><th>How</th></tr><tr><td>Quack</td><td>"
        "<table><tr><td>Short</td><td>quak</td></tr><tr><td>Long</td><td>quaaak</td></tr></table>"
        "</td></tr><tr><td>Swim</td><td>Gracefully</td></tr></table>after"
    )
    table, after = texts(page)
    assert table.split("\n")[2:] == ["| Quack | Short quak Long quaaak |", "| Swim | Gracefully |"]
    assert after == "after"


def test_a_table_that_lays_the_page_out_is_walked_into() -> None:
    inner = "<table><tr><th>Unit</th><th>Of</th></tr><tr><td>hPa</td><td>air</td></tr></table>"
    page = f"<table><tr><td>{TEXT}</td><td>{inner}</td></tr><tr><td>x</td><td>y</td></tr></table>"
    assert [block.kind for block in blocks(page)] == [
        "paragraph",
        "table",
        "paragraph",
        "paragraph",
    ]


def test_headers_of_more_rows_are_repeated_whole_and_name_each_column() -> None:
    page = (
        "<table><thead><tr><th rowspan=2>Station</th><th colspan=2>Rain</th></tr>"
        "<tr><th>2024</th><th>2025</th></tr></thead><tr><td>Kew</td><td>600</td><td>610</td></tr>"
        "<tr><td>Eton</td><td colspan=2>none</td></tr></table>"
    )
    (table,) = blocks(page)
    assert table.header == (
        "| Station | Rain | Rain |\n| --- | --- | --- |\n| Station | 2024 | 2025 |\n"
    )
    assert table.text.endswith("| Kew | 600 | 610 |\n| Eton | none |  |")


def test_tables_nested_as_deep_as_is_allowed_take_time_in_step_with_their_size() -> None:
    deep = "<table><tr><th>x</th><td>" * 240
    wide = "<table>" + "<tr><td>a</td><td>b</td></tr>" * 20_000 + "</table>"
    start = time.process_time()
    try:
        blocks(deep + wide)
    except LimitExceeded:
        pytest.fail("this is within the limits")
    assert time.process_time() - start < 10
