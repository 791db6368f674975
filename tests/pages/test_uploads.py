"""Pictures that wait for their turn are not in memory."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from typing import Any

import numpy as np
import pytest
import torch
from fastapi import UploadFile
from PIL import Image

from benchmark.data.decode import Undecodable
from benchmark.pages.classifier_app import Desk


class Slow:
    """A classifier that decodes nothing before it is let to."""

    device = torch.device("cpu")
    image_size = 8

    def __init__(self) -> None:
        self.may_decode = threading.Event()

    def decode(self, data: bytes) -> Any:
        self.may_decode.wait(60)
        raise Undecodable("it was only to be read")

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        raise NotImplementedError


def test_an_upload_is_read_when_its_turn_to_be_decoded_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    reads: list[int] = []

    class Upload(UploadFile):
        async def read(self, size: int = -1) -> bytes:
            reads.append(1)
            return await super().read(size)

    async def ask() -> None:
        classifier: Any = Slow()
        desk = Desk(classifier)
        uploads = [Upload(io.BytesIO(picture.getvalue())) for _ in range(20)]
        asked = [asyncio.create_task(desk.predict(upload, "a.png")) for upload in uploads]
        await asyncio.sleep(0.1)
        assert len(reads) == 2
        classifier.may_decode.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert {getattr(answer, "status_code", answer) for answer in answers} == {400}

    asyncio.run(ask())
    assert len(reads) == 20
