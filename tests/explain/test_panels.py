import numpy as np
from PIL import Image

from benchmark.explain.panels import PANEL, draw_panels, overlay

SIDE = 8
SQUARE = (PANEL, PANEL)


def test_a_map_without_warmth_looks_like_none() -> None:
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[..., 0] = 200
    cold = np.zeros((SIDE, SIDE), np.float32)
    warm = cold.copy()
    warm[:4] = 1
    drained = np.asarray(overlay(pixels, cold))
    assert np.ptp(drained, axis=2).max() == 0  # grey
    coloured = np.asarray(overlay(pixels, warm)).astype(int)
    assert (coloured[:4, :, 0] > coloured[:4, :, 2]).all()
    assert (coloured[4:, :, 2] > coloured[:4, :, 2]).all()


def test_a_panel_says_that_nothing_speaks_for_the_class() -> None:
    pixels = np.full((SIDE, SIDE, 3), 90, np.uint8)
    cold = np.zeros((SIDE, SIDE), np.float32)
    warm = np.eye(SIDE, dtype=np.float32)
    captions = [
        np.asarray(draw_panels(pixels, heat, SQUARE, "Grad-CAM", "True: a", "").convert("L"))[:52]
        for heat in (warm, cold)
    ]
    ink = [(255 - one[:, PANEL:].astype(int)).sum() for one in captions]
    assert ink[1] > 1.5 * ink[0]
    assert Image.fromarray(captions[0]).size == (2 * PANEL, 52)


def test_a_squashed_picture_is_shown_in_its_true_shape() -> None:
    pixels = np.full((SIDE, SIDE, 3), 90, np.uint8)
    panels = draw_panels(
        pixels, np.ones((SIDE, SIDE), np.float32), (PANEL, 60), "map", "wide", "worth"
    )
    original = np.asarray(panels)[52 : 52 + PANEL, :PANEL]
    rows, columns = np.nonzero((original == 90).all(axis=2))
    assert [int(np.ptp(places)) + 1 for places in (rows, columns)] == [60, PANEL]


def test_a_panel_says_below_how_much_its_map_is_worth() -> None:
    pixels = np.full((SIDE, SIDE, 3), 90, np.uint8)
    panels = [
        np.asarray(draw_panels(pixels, np.ones((SIDE, SIDE), np.float32), SQUARE, "m", "c", told))
        for told in ("better", "")
    ]
    below = 52 + PANEL
    np.testing.assert_array_equal(panels[0][:below], panels[1][:below])
    assert (panels[1][below:] == 255).all()
    assert (panels[0][below:] < 200).any()
