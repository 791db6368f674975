"""The page of `bench serve` in a real browser: on a desk and on a telephone, by mouse and keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.test_report import CONTRAST, Watched
from tests.pages.colours import COLOURS, colour_classifier, picture, served

if TYPE_CHECKING:
    from playwright.sync_api import Page, ViewportSize

PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(colour_classifier()) as address:
        yield address


@pytest.fixture
def watched(page: Page, address: str) -> Iterator[Watched]:
    watched = Watched(page, address)
    yield watched
    assert watched.complaints == []
    outside = [one for one in watched.requests if not one.startswith((address, "data:", "blob:"))]
    assert outside == []


def choose(page: Page, content: bytes, name: str = "photo.png") -> None:
    page.locator("input[name=image]").set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": content}
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True])
def test_a_picture_gets_its_classes_its_map_and_a_verdict(
    watched: Watched, phone: bool, scheme: str
) -> None:
    page = watched.page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    if phone:
        page.set_viewport_size(PHONE)
    page.evaluate(
        "window.said = []; new MutationObserver(() => said.push(state.textContent))"
        ".observe(state, {childList: true})"
    )
    choose(page, picture(COLOURS["<b>blue</b>"]))
    page.locator("#looked").wait_for()
    share = page.locator("#top .share").first.inner_text()
    assert f"<b>blue</b>, {share}. Finding out where" in " ".join(page.evaluate("said"))
    assert page.locator("#label").inner_text() == "<b>blue</b>"
    assert page.locator("#top li").count() == 3
    shares = page.locator("#top .share").all_inner_texts()
    assert sum(float(share.rstrip("%")) for share in shares) == pytest.approx(100, abs=0.2)
    bars = page.locator("#top .bar").evaluate_all("all => all.map(one => one.offsetWidth)")
    assert bars == sorted(bars, reverse=True)
    assert "No sign that it is unlike" in page.locator("#verdict").inner_text()
    assert page.locator("#kind").inner_text() in ("Grad-CAM", "LayerCAM")
    assert page.evaluate("[...document.images].every(one => one.naturalWidth > 0 && one.alt)")
    assert page.evaluate("document.documentElement.scrollWidth") <= (390 if phone else 1600)
    assert page.evaluate(CONTRAST) == []


def test_a_picture_like_none_is_unknown(watched: Watched) -> None:
    choose(watched.page, picture((128, 128, 128)))
    watched.page.locator("#verdict.unknown").wait_for()
    assert "Unknown" in watched.page.locator("#verdict").inner_text()


def test_what_is_no_picture_is_told_and_the_next_one_is_answered(page: Page, address: str) -> None:
    page.goto(address)
    choose(page, b"no picture", "notes.png")
    page.get_by_role("alert").wait_for()
    told = page.get_by_role("alert").inner_text()
    assert told == "notes.png cannot be read: not an image"
    assert not page.locator("#answer").is_visible()
    choose(page, picture(COLOURS["red"]))
    page.locator("#answer").wait_for()
    assert not page.get_by_role("alert").is_visible()
    assert page.locator("#label").inner_text() == "red"


def test_a_picture_can_be_chosen_by_keys_and_dropped(watched: Watched, tmp_path: Path) -> None:
    page = watched.page
    with page.expect_file_chooser() as chooser:  # some steps before: the browser is told late
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Choose a picture"
        page.keyboard.press("Space")
    file = tmp_path / "green.png"
    file.write_bytes(picture(COLOURS["green"]))
    chooser.value.set_files(file)
    page.locator("#answer").wait_for()
    assert page.locator("#label").inner_text() == "green"
    page.evaluate(
        """async (bytes) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "red.png", {type: "image/png"}));
          const how = {dataTransfer: data, bubbles: true, cancelable: true};
          document.body.dispatchEvent(new DragEvent("drop", how));
        }""",
        list(picture(COLOURS["red"])),
    )
    page.get_by_role("heading", name="red").wait_for()


def test_a_format_that_browsers_do_not_show_is_shown_as_the_classifier_sees_it(
    watched: Watched,
) -> None:
    choose(watched.page, picture(COLOURS["green"], "TIFF"), "scan.tif")
    watched.page.locator("#looked").wait_for()
    assert watched.page.locator("#picture").get_attribute("src", timeout=5000)
    watched.page.wait_for_function("document.getElementById('picture').naturalWidth > 0")


def test_a_telephone_may_take_a_photo(page: Page, address: str) -> None:
    assert page.context.browser is not None
    context = page.context.browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    phone = context.new_page()
    with phone.expect_file_chooser() as chooser:
        phone.goto(address)
        phone.get_by_role("button", name="Take a photo").tap()
    assert chooser.value.element.get_attribute("capture") == "environment"
    heights = phone.locator("button").evaluate_all("all => all.map(one => one.offsetHeight)")
    assert len(heights) == 2
    assert min(heights) >= 44
    context.close()


def test_the_interface_is_described_without_the_web(watched: Watched, address: str) -> None:
    page = watched.page
    page.set_viewport_size(PHONE)
    page.goto(f"{address}/docs")
    for path in ("POST /predict", "POST /explain", "POST /invocations", "GET /health"):
        assert page.get_by_role("heading", name=path).is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate(CONTRAST) == []
