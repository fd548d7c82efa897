"""The page of a comparison as a browser shows it: keys to pick, on one screen, in light and dark."""

from pathlib import Path

import numpy as np
import pytest

from elsa_groups.commands.compare.agreement import Agreement
from elsa_groups.commands.compare.comparison import compare_groups_runs
from elsa_groups.commands.compare.page import render_comparison
from elsa_groups.commands.compare.trends import metric_figures
from elsa_groups.report.figures.run import save_pictures

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

pytestmark = pytest.mark.slow

WIDTHS = (390, 700, 1280)
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def page_of_ten(make_compared, tmp_path_factory) -> Path:
    """Ten settings, of other data and another model here and there, so that the page has all its parts."""
    runs = [
        make_compared(
            f"{number:032x}", name=f"<b>{number}</b>", quantile=0.5 + number / 20, data="ab"[number == 7],
            model="cd"[number == 7], commit=str(number % 2),
        )
        for number in range(10)
    ]  # fmt: skip
    comparison = compare_groups_runs(runs)
    shares = np.full((10, 10), 0.5)
    agreements = {key: Agreement(key, shares, shares) for key in comparison.keys}
    folder = tmp_path_factory.mktemp("comparison")
    pictures = save_pictures(folder, metric_figures(comparison))
    page = render_comparison(comparison, agreements=agreements, pictures=pictures, command="mlflow run .")
    (folder / "comparison.html").write_text(page, encoding="utf-8")
    return folder / "comparison.html"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_asks_for_nothing_and_axe_finds_nothing(browser, page_of_ten, width, scheme):
    asked, said = [], []
    with browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(page_of_ten.as_uri())

        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(
            "[...document.querySelectorAll('figure svg')].map(drawn => drawn.clientWidth > 200)"
        ) == [True]
        assert [url for url in asked if not url.startswith("data:")] == [page_of_ten.as_uri()]
        assert said == []
        found = axe.Axe().run(page).response["violations"]
    assert [(problem["impact"], problem["id"], problem["nodes"][0]["html"]) for problem in found] == []


def test_one_key_is_shown_at_a_time_and_picked_by_keyboard_in_a_frame_without_scripts(browser, page_of_ten):
    frame = '<iframe src="comparison.html" sandbox style="width: 514px; height: 700px"></iframe>'
    (page_of_ten.parent / "frame.html").write_text(frame)
    with browser.new_page() as page:
        page.goto((page_of_ten.parent / "frame.html").as_uri())
        inside = page.frame_locator("iframe")
        shown = inside.locator(".key h3:visible")
        assert shown.all_inner_texts() == ["similar_3"]
        inside.get_by_label("similar_3", exact=True).press("ArrowRight")
        assert shown.all_inner_texts() == ["similar_5"]


def test_ten_settings_are_on_one_screen(browser, page_of_ten):
    with browser.new_page(viewport={"width": 1280, "height": 900}) as page:
        page.goto(page_of_ten.as_uri())
        table = page.locator("table.keys:visible").first.bounding_box()
        assert page.locator("table.keys:visible").first.locator("tbody tr").count() == 10
        # From the heading to the last row, whatever warnings are above.
        assert table["height"] < 450
        assert table["x"] + table["width"] <= 1280


def test_on_paper_every_key_is_there(browser, page_of_ten):
    with browser.new_page(viewport={"width": 720, "height": 900}) as page:
        page.goto(page_of_ten.as_uri())
        page.emulate_media(media="print")
        assert page.locator(".key h3:visible").count() == 4
        assert not page.locator("fieldset").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 720
