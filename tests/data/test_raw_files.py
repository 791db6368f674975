"""Raw files of cameras, which look like TIFF files of a small picture."""

import pytest
from PIL import Image

from benchmark.data.decode import Undecodable, decode
from tests.data.images import encoded


@pytest.mark.parametrize("tags", [{254: 1}, {50706: b"\1\4\0\0"}], ids=["preview", "DNG"])
def test_the_preview_in_a_cameras_raw_file_is_no_image(tags: dict[int, int | bytes]) -> None:
    picture = Image.new("RGB", (8, 6), "red")
    with pytest.raises(Undecodable, match=r"camera's raw file.*convert it"):
        decode(encoded(picture, "TIFF", tiffinfo=tags), 16)
    assert decode(encoded(picture, "TIFF", tiffinfo={254: 2}), 16).size == (8, 6)
