"""Turns a trained classifier into a web page and an HTTP interface."""

from __future__ import annotations

import asyncio
import base64
import io
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
from fastapi import FastAPI, HTTPException, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, Field

from benchmark.classifier.tracked import TrackedClassifier
from benchmark.classifier.verdict import Verdict, judge
from benchmark.data.decode import Undecodable, pixel_count
from benchmark.explain.panels import overlay
from benchmark.pages.invocations import Rows, read_rows
from benchmark.pages.request_batches import Busy, RequestBatches
from benchmark.pages.request_limits import MAX_PIXELS, RequestLimits
from benchmark.training.inference import inference_batch
from registry.errors import UserError, one_line
from registry.printable import printable, shortened

PAGE = Path(__file__).parent / "classifier_page"
TOP = 5
WAITING = 512
"""So many pictures may wait for the network."""
_OFFLINE = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
}
_NAME = 60
Top = Annotated[int, Query(ge=1, le=1000, description="How many classes to tell.")]


class ClassShare(BaseModel):
    """A class and how probable it is."""

    label: str
    probability: float


class Prediction(BaseModel):
    """What the classifier says of a picture."""

    label: str = Field(description="The most probable class.")
    probability: float
    margin: float = Field(description="By how much that is more than the second's.")
    p_value: float | None = Field(
        description="How often a picture like those trained on is at least as strange."
    )
    unknown: bool | None = Field(
        description="Whether it resembles nothing trained on; null if that cannot be told."
    )
    top: list[ClassShare] = Field(description="The most probable classes, the best first.")


class Explanation(BaseModel):
    """Where the classifier looked."""

    label: str
    kind: str = Field(description="Of heat map; empty if there is none.")
    told: str = Field(description="How much the map is worth, or why there is none.")
    seen: str = Field(description="The picture as the classifier sees it: a data URL.")
    overlay: str | None = Field(description="The same under the map; null if there is none.")


class Health(BaseModel):
    """That the server answers, and by which classifier."""

    status: str
    model: str
    classes: int


class Failure(BaseModel):
    """Why there is no answer, in a sentence."""

    error: str


class Desk:
    """A classifier and those who ask it."""

    def __init__(self, classifier: TrackedClassifier) -> None:
        """Prepare for requests."""
        self.classifier = classifier
        size = inference_batch(classifier.device, classifier.image_size)
        self.batches = RequestBatches(classifier.probabilities, size, WAITING)
        self._decoding = asyncio.Semaphore(2 * (os.cpu_count() or 1))

    async def decode(self, data: bytes, name: str) -> NDArray[np.uint8]:
        """Decode a file as in training, in threads.

        Raises:
            HTTPException: It is none that can be used; says why.
        """
        called = printable(shortened(name, _NAME)) or "the file"
        if await asyncio.to_thread(pixel_count, data) > MAX_PIXELS:
            limit = f"a picture has at most {MAX_PIXELS / 1e6:.0f} million pixels"
            raise HTTPException(413, f"{called} is too large: {limit}")
        try:
            decoded = await asyncio.to_thread(self.classifier.decode, data)
        except Undecodable as error:
            raise HTTPException(400, f"{called} cannot be read: {error}") from error
        return decoded.pixels

    async def predict(self, file: UploadFile | bytes, name: str) -> Verdict:
        """Judge a file, which is read when its turn comes: until then it may lie on the disk."""
        async with self._decoding:
            pixels = await self.decode(await _read(file), name)
        probabilities = await self.batches.classify(pixels)
        return judge(probabilities, self.classifier.class_names, self.classifier.calibration)

    async def explain(self, file: UploadFile, name: str) -> Explanation:
        """Draw where the classifier looked."""
        async with self._decoding:
            data = await _read(file)
            await self.decode(data, name)
        look = await self.batches.alone(lambda: self.classifier.look_at(data))
        over = None if look.heat is None else _shown(overlay(look.pixels, look.heat), look.size)
        return Explanation(
            label=look.shown,
            kind=look.kind,
            told=look.told,
            seen=_shown(Image.fromarray(look.pixels), look.size),
            overlay=over,
        )


async def _read(file: UploadFile | bytes) -> bytes:
    return file if isinstance(file, bytes) else await file.read()


def _shown(image: Image.Image, size: tuple[int, int]) -> str:
    file = io.BytesIO()
    image.resize(size, Image.Resampling.BICUBIC).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def classifier_app(classifier: TrackedClassifier) -> FastAPI:
    """Make the application: its page, its interface, and a page that describes that."""
    desk = Desk(classifier)
    classifier.predict(np.zeros((8, 8, 3), dtype=np.uint8))  # the first one is slow

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with desk.batches.running():
            yield

    app = FastAPI(
        title=f"{classifier.name} by bench",
        version="1",
        description=f"Tells {len(classifier.class_names)} classes of pictures apart.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages come from the web
        redoc_url=None,
    )
    app.add_middleware(RequestLimits)
    app.mount("/static", StaticFiles(directory=PAGE), name="static")
    _add_failures(app)
    _add_interface(app, desk)
    _add_pages(app, classifier)
    return app


def _add_failures(app: FastAPI) -> None:
    """Answer each mistake with a sentence."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: Exception) -> JSONResponse:
        first = cast(RequestValidationError, error).errors()[0]
        no_json = first["type"] == "json_invalid"  # its place is a number of bytes
        where = "" if no_json else ".".join(str(part) for part in first["loc"][1:])
        return JSONResponse({"error": f"{where or 'the request'}: {first['msg']}; see /docs"}, 422)

    @app.exception_handler(Busy)
    async def busy(request: Request, error: Exception) -> JSONResponse:
        told = "too many pictures wait; repeat the request in a second"
        return JSONResponse({"error": told}, 503, {"Retry-After": "1"})

    @app.exception_handler(UserError)
    async def away(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": one_line(error)}, 503)

    @app.exception_handler(Exception)
    async def faulty(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": f"a fault of bench: {one_line(error)}"}, 500)

    # Starlette's own, so that unknown addresses are answered alike.
    from starlette.exceptions import HTTPException as AnyHTTPException

    @app.exception_handler(AnyHTTPException)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        found = cast(AnyHTTPException, error)
        told = str(found.detail)
        if found.status_code in (404, 405):
            told = f"there is no {request.method} {printable(shortened(request.url.path, _NAME))}"
            told += "; see /docs"
        return JSONResponse({"error": told}, found.status_code, found.headers)


def _add_interface(app: FastAPI, desk: Desk) -> None:
    classes = len(desk.classifier.class_names)
    answers: dict[int | str, dict[str, Any]] = {
        200: {"description": "What was asked for"},
        400: {"model": Failure, "description": "No picture that can be read"},
        413: {"model": Failure, "description": "Too many bytes or pixels"},
        422: {"model": Failure, "description": "Another request than is asked for"},
        503: {"model": Failure, "description": "Too many pictures wait"},
    }

    @app.post("/predict", responses=answers)
    async def predict(image: UploadFile, top: Top = TOP) -> Prediction:
        """Classify a picture: any format that bench reads, HEIC and AVIF included."""
        verdict = await desk.predict(image, image.filename or "")
        return Prediction(
            label=verdict.label,
            probability=verdict.probability,
            margin=verdict.margin,
            p_value=verdict.p_value,
            unknown=verdict.unknown,
            top=[ClassShare(label=name, probability=p) for name, p in verdict.ranking[:top]],
        )

    @app.post("/explain", responses=answers)
    async def explain(image: UploadFile) -> Explanation:
        """Draw where the classifier looked for its most probable class."""
        return await desk.explain(image, image.filename or "")

    @app.post("/invocations", responses=answers)
    async def invocations(rows: Rows) -> dict[str, list[dict[str, Any]]]:
        """Classify pictures in MLflow's format: a column image of base64, params with top."""
        images, top = read_rows(rows)
        try:
            async with asyncio.TaskGroup() as group:  # after a failure, none of the others goes on
                jobs = [
                    group.create_task(desk.predict(data, f"image {place}"))
                    for place, data in enumerate(images)
                ]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return {"predictions": [job.result().row(min(top, classes)) for job in jobs]}

    @app.head("/health", include_in_schema=False)
    @app.get("/health", response_description="Which classifier answers")
    async def health() -> Health:
        """Tell that the server answers."""
        return Health(status="ok", model=desk.classifier.name, classes=classes)


def _add_pages(app: FastAPI, classifier: TrackedClassifier) -> None:
    from jinja2 import ChainableUndefined, Environment, FileSystemLoader

    templates = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=ChainableUndefined
    )

    def page(file: str, **values: Any) -> HTMLResponse:
        html = templates.get_template(file).render(classifier=classifier, **values)
        return HTMLResponse(html, headers=_OFFLINE)

    @app.head("/", include_in_schema=False)
    @app.get("/", include_in_schema=False)
    async def start() -> HTMLResponse:
        return page("page.html.j2")

    @app.head("/docs", include_in_schema=False)
    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        address = str(request.base_url).rstrip("/")
        return page("docs.html.j2", api=app.openapi(), address=address)
