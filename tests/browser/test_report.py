"""The report in a real browser: wide and narrow, light and dark, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from benchmark.report.render import write_report
from tests.report.study import HOSTILE, log_study, make_data, make_store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => {
    const [r, g, b] = rgb(colour).slice(0, 3).map((v) => v / 255)
      .map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (rgb(colour)[3]) return colour;
    }
    return "white";
  };
  const ratio = (a, b) => (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  const faint = [];
  for (const one of document.querySelectorAll("body *")) {
    const text = [...one.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!text || !one.checkVisibility() || one.closest("script, style, title")) continue;
    const style = getComputedStyle(one);
    const colour = one.ownerSVGElement ? style.fill : style.color;
    const found = ratio(light(colour), light(behind(one)));
    if (found < 4.5) faint.push([one.tagName, one.className, one.textContent, found]);
  }
  return faint;
}"""
"""Texts with less contrast than WCAG AA asks for."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    store = make_store(folder)
    log_study(store, make_data(folder), folder / "scratch")
    write_report(store, folder / "report.html", None, None)
    return (folder / "report.html").as_uri()


class Watched:
    """A tab that remembers what went wrong in it and what it asked for."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(address)


@pytest.fixture
def watched(page: Page, address: str) -> Iterator[Watched]:
    watched = Watched(page, address)
    yield watched
    assert watched.complaints == []
    assert [one for one in watched.requests if not one.startswith("data:")] == [address]


def test_all_pictures_load_and_have_texts(watched: Watched) -> None:
    images = watched.page.evaluate(
        "[...document.images].map((one) => [one.complete && one.naturalWidth > 0, one.alt])"
    )
    assert len(images) > 10
    assert all(loaded and alt for loaded, alt in images)
    drawn = watched.page.evaluate(
        "[...document.querySelectorAll('main svg')].map((one) => "
        "one.getAttribute('aria-hidden') === 'true' || !!one.getAttribute('aria-label'))"
    )
    assert all(drawn)


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_the_page_is_never_wider_than_the_screen(watched: Watched, width: int) -> None:
    watched.page.set_viewport_size({"width": width, "height": 800})
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    tables = watched.page.evaluate(
        "[...document.querySelectorAll('table')].every((one) => one.closest('.scroll'))"
    )
    assert tables


def test_a_click_on_a_heading_sorts_by_number_and_again_the_other_way(watched: Watched) -> None:
    page = watched.page

    def column(number: int) -> list[str]:
        cells = page.locator(f"#results tbody tr td:nth-child({number}) strong")
        return cells.all_inner_texts()

    best_first = column(3)
    assert best_first == sorted(best_first, key=lambda text: -float(text.rstrip("%")))
    heading = page.get_by_role("columnheader", name="Test accuracy").first
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    heading.get_by_role("button").press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column(3) == best_first[::-1]


@pytest.mark.parametrize(("name", "column"), [("Study", 7), ("Parameters", 11)])
def test_what_is_not_known_stays_at_the_end(watched: Watched, name: str, column: int) -> None:
    page = watched.page
    button = page.locator("#results thead button", has_text=name)
    for _ in range(2):
        button.click()
        shown = page.locator(f"#results tbody tr td:nth-child({column})").all_inner_texts()
        assert shown[-1] == "–"
        known = shown.index("–")
        assert known
        assert {*shown[known:]} == {"–"}


def test_curves_can_be_taken_away(watched: Watched) -> None:
    curve = watched.page.locator(".panels path.train").first
    assert curve.is_visible()
    watched.page.get_by_label("train", exact=True).uncheck()
    assert not curve.is_visible()


def test_a_system_is_highlighted_everywhere(watched: Watched) -> None:
    watched.page.locator("#results tbody tr").first.hover()
    assert watched.page.locator("#cost .hot").count() >= 2  # in the wide and in the narrow chart


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(watched: Watched, scheme: str) -> None:
    watched.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    assert watched.page.evaluate(CONTRAST) == []


def test_texts_in_charts_do_not_overlap(watched: Watched) -> None:
    charts = watched.page.locator(".scatter .wide svg").all()
    assert len(charts) == 3
    for chart in charts:
        boxes = [label.bounding_box() for label in chart.locator(".label").all()]
        assert len(boxes) >= 3
        for one, other in combinations(filter(None, boxes), 2):
            beside = (
                one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
            )
            lines = abs(one["y"] - other["y"])  # boxes hold room above capitals, too
            assert beside or lines > 0.75 * one["height"]


def test_hostile_names_are_only_texts(watched: Watched) -> None:
    assert watched.page.get_by_text(HOSTILE, exact=False).count() > 0
    assert watched.page.locator("img[src=x]").count() == 0


def test_the_keyboard_reaches_the_results_first(watched: Watched) -> None:
    watched.page.keyboard.press("Tab")
    assert watched.page.evaluate("document.activeElement.textContent") == "Skip to the results"
    scrolled = watched.page.evaluate(
        "[...document.querySelectorAll('.scroll')].every((one) => one.tabIndex === 0 && "
        "one.getAttribute('aria-label'))"
    )
    assert scrolled


def test_everything_is_there_without_javascript(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator("#results tbody tr").count() == 6
    assert page.locator("thead button").count() == 0
    assert page.locator(".panels path.val").first.is_visible()
    context.close()
