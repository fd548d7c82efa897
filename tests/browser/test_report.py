"""The page of a run as a browser shows it: at any width, in light and dark, and as MLflow frames it."""

from pathlib import Path

import pytest

from elsa_groups.report.page import RunPage

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

pytestmark = pytest.mark.slow

WIDTHS = (390, 700, 1280)
SCHEMES = ("light", "dark")


@pytest.fixture
def report(page_parts, tmp_path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(RunPage(**page_parts).as_html(), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_its_window_and_asks_for_nothing(browser, report, width, scheme):
    asked, said = [], []
    with browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.goto(report.as_uri())

        assert page.evaluate("document.documentElement.scrollWidth") == width
        drawn = page.locator("figure svg").first.bounding_box()
        assert 0 < drawn["x"] < drawn["x"] + drawn["width"] < width
        assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
        assert said == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_to_mend(browser, report, width, scheme):
    with browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        page.goto(report.as_uri())
        found = axe.Axe().run(page).response["violations"]
    assert [(problem["impact"], problem["id"], problem["nodes"][0]["html"]) for problem in found] == []


def test_the_page_is_whole_in_a_sandboxed_frame_without_scripts_or_storage(browser, report):
    frame = '<iframe src="report.html" sandbox="allow-scripts" style="width: 514px; height: 700px"></iframe>'
    (report.parent / "frame.html").write_text(frame)
    with browser.new_page() as page:
        page.goto((report.parent / "frame.html").as_uri())
        inside = page.frames[1]
        inside.wait_for_load_state()

        assert inside.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert inside.locator("figure svg").first.bounding_box()["width"] > 200
        assert inside.locator("pre").inner_text().startswith("mlflow run . -e reproduce")


def test_one_click_selects_the_command(browser, report, page_parts):
    with browser.new_page() as page:
        page.goto(report.as_uri())
        page.locator("pre").click()
        selected = page.evaluate("getSelection().toString().trim()")
    run_id = page_parts["record"]["run_id"]
    assert selected == f"mlflow run . -e reproduce -P groups_run_id={run_id}"


def test_on_paper_all_is_light_and_nothing_is_hidden_in_a_scroll(browser, report):
    with browser.new_page(viewport={"width": 720, "height": 900}, color_scheme="dark") as page:
        page.goto(report.as_uri())
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate(
            "[...document.querySelectorAll('.scroll')].every(e => getComputedStyle(e).overflowX == 'visible')"
        )
        assert page.evaluate("document.documentElement.scrollWidth") == 720
