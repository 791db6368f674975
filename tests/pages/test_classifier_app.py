"""The HTTP interface of a classifier: what it answers, and what it withstands."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from benchmark.classifier.tracked import TrackedClassifier
from benchmark.pages import classifier_app as app_module
from benchmark.pages.classifier_app import classifier_app
from benchmark.pages.request_batches import RequestBatches
from benchmark.pages.request_limits import MAX_UPLOAD
from registry.errors import UserError
from tests.pages.colours import CLASSES, COLOURS, colour_classifier, picture, served
from tests.performance.load import form, hostile, measure, send

JSON = {"content-type": "application/json"}
HOST = {"host": "127.0.0.1:8000"}


def client_of(classifier: TrackedClassifier) -> TestClient:
    return TestClient(classifier_app(classifier), headers=HOST, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with client_of(colour_classifier()) as client:
        yield client


def upload(content: bytes, name: str = "a.png") -> dict[str, Any]:
    return {"image": (name, content, "image/png")}


def test_a_picture_is_answered_as_the_classifier_answers(client: TestClient) -> None:
    for label, colour in COLOURS.items():
        content = picture(colour)
        found = client.post("/predict", files=upload(content), params={"top": 2}).json()
        wanted = colour_classifier().predict(content)
        assert found["label"] == label == wanted["predicted"][0]
        assert found["probability"] == pytest.approx(wanted[label][0], abs=1e-6)
        assert found["top"][0]["label"] == label
        assert len(found["top"]) == 2
        assert found["margin"] == pytest.approx(
            found["top"][0]["probability"] - found["top"][1]["probability"]
        )
        assert found["unknown"] is False
    assert client.post("/predict", files=upload(picture((128, 128, 128)))).json()["unknown"]


def test_what_the_classifier_sees_and_where_it_looked_are_pictures(client: TestClient) -> None:
    found = client.post("/explain", files=upload(picture(COLOURS["red"]))).json()
    assert found["label"] == "red"
    for name in ("seen", "overlay"):
        kind, _, data = found[name].partition(",")
        assert kind == "data:image/png;base64"
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (240, 192)


def test_mlflows_format_in_all_its_forms(client: TestClient) -> None:
    images = [base64.b64encode(picture(colour)).decode() for colour in COLOURS.values()]
    forms: list[dict[str, Any]] = [
        {"dataframe_split": {"columns": ["image"], "data": [[one] for one in images]}},
        {"dataframe_records": [{"image": one} for one in images]},
        {"instances": images},
        {"instances": [{"image": one} for one in images]},
        {"inputs": {"image": images}},
        {"inputs": images},
    ]
    for rows in forms:
        answer = client.post("/invocations", json={**rows, "params": {"top": 1}})
        assert answer.status_code == 200, answer.text
        found = answer.json()["predictions"]
        assert [row["label"] for row in found] == CLASSES
        assert [row["labels"] for row in found] == [[label] for label in CLASSES]
    wrong: list[tuple[Any, str]] = [
        ({}, "send 1 to 256 rows"),
        ({"inputs": []}, "send 1 to 256 rows"),
        ({"inputs": ["%"]}, "row 0 (from 0) has no picture in base64"),
        ({"dataframe_split": {"columns": ["other"], "data": [["aGk="]]}}, "has no picture"),
        ({"instances": [images[0], "aGk="]}, "image 1 cannot be read: not an image"),
        ({"inputs": images, "params": {"top": 0}}, "params.top"),
    ]
    for rows, told in wrong:
        answer = client.post("/invocations", json=rows)
        assert 400 <= answer.status_code < 500
        assert told in answer.json()["error"]


def opened_after(count: int, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A gate that opens once so many pictures are there, or refused since too many wait."""
    gate, classify = threading.Event(), RequestBatches.classify
    left = iter(range(count - 1, -1, -1))

    async def counting(batches: RequestBatches, pixels: Any) -> Any:
        if next(left, 0) == 0:
            gate.set()
        return await classify(batches, pixels)

    monkeypatch.setattr(RequestBatches, "classify", counting)
    return gate


def test_requests_at_the_same_time_share_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = colour_classifier()
    sizes: list[int] = []
    colours = [*COLOURS.items()] * 20
    gate = opened_after(len(colours), monkeypatch)

    class Watched(TrackedClassifier):
        def probabilities(self, pixels: Any) -> Any:
            sizes.append(len(pixels))
            if len(sizes) == 2:
                gate.wait(30)
            return super().probabilities(pixels)

    watched = Watched(**vars(classifier))
    with served(watched) as address, ThreadPoolExecutor(len(colours)) as clients:
        port = int(address.rpartition(":")[2])
        futures = [
            clients.submit(send, ("127.0.0.1", port), form(picture(colour)))
            for _, colour in colours
        ]
        answers = [future.result() for future in futures]
    labels = [json.loads(body)["label"] for _, body in answers]
    assert labels == [label for label, _ in colours]
    assert sum(sizes) == len(colours) + 1  # one to warm up
    assert max(sizes) == 32
    assert len(sizes) < 20


@pytest.mark.parametrize(
    ("content", "status", "told"),
    [
        (b"", 400, "a.png cannot be read: not an image"),
        (picture((1, 2, 3))[:90], 400, "a.png cannot be read: damaged"),
        (b"%PDF-1.7", 400, "PDF; convert it"),
    ],
)
def test_what_is_no_picture_is_refused(
    client: TestClient, content: bytes, status: int, told: str
) -> None:
    answer = client.post("/predict", files=upload(content))
    assert answer.status_code == status
    assert told in answer.json()["error"]


def test_too_much_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    large = client.post("/predict", files=upload(bytes(MAX_UPLOAD + 1)))
    assert large.status_code == 413
    assert "at most 25 MB" in large.json()["error"]

    def endless() -> Iterator[bytes]:  # without a length
        yield form(bytes(MAX_UPLOAD))[1]
        yield bytes(1_000_000)

    monkeypatch.setattr("benchmark.pages.request_limits.PATIENCE_SECONDS", 0.5)
    _, _, headers = form(b"")
    endless_form = client.post("/predict", content=endless(), headers=headers)
    assert endless_form.status_code == 413
    monkeypatch.setattr(app_module, "MAX_PIXELS", 1999)
    many = client.post("/predict", files=upload(picture((1, 2, 3))))
    assert many.status_code == 413
    assert "pixels" in many.json()["error"]


def test_who_sends_far_too_much_at_once_is_answered_and_not_cut_off() -> None:
    with served(colour_classifier()) as address:
        host, port = address.removeprefix("http://").split(":")
        answers = [send((host, int(port)), form(bytes(4 * MAX_UPLOAD))) for _ in range(3)]
    assert [status for status, _ in answers] == [413] * 3  # 0: the server hung up
    assert all(b"at most 25 MB" in told for _, told in answers)


def test_pages_of_other_hosts_are_not_answered(client: TestClient) -> None:
    assert client.get("/health", headers={"host": "localhost:8000"}).status_code == 200
    refused = client.get("/health", headers={"host": "evil.example:8000"})
    assert refused.status_code == 421
    assert "127.0.0.1" in refused.json()["error"]


def test_who_asks_when_too_many_wait_is_told_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app_module, "WAITING", 1)
    classifier = colour_classifier()
    gate = opened_after(12, monkeypatch)
    calls: list[int] = []

    class Slow(TrackedClassifier):
        def probabilities(self, pixels: Any) -> Any:
            calls.append(len(pixels))
            if len(calls) > 1:
                gate.wait(30)
            return super().probabilities(pixels)

    slow = Slow(**vars(classifier))
    with served(slow) as address, ThreadPoolExecutor(12) as clients:
        port = int(address.rpartition(":")[2])
        request = form(picture(COLOURS["red"]))
        futures = [clients.submit(send, ("127.0.0.1", port), request) for _ in range(12)]
        statuses = [future.result()[0] for future in futures]
        assert set(statuses) == {200, 503}
        assert send(("127.0.0.1", port), request)[0] == 200


@pytest.mark.parametrize(("first", "status"), [(picture(COLOURS["red"]), 503), (b"broken", 400)])
def test_of_a_request_that_fails_nothing_goes_on_before_the_next_one(
    first: bytes, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "WAITING", 1)
    monkeypatch.setattr("os.cpu_count", lambda: 1)  # so that two are decoded at once
    decoded: list[Any] = []

    class Slow(TrackedClassifier):
        def decode(self, picture: Any) -> Any:
            decoded.append(picture)
            time.sleep(0.1 if len(picture) > len(b"broken") else 0)
            return super().decode(picture)

        def probabilities(self, pixels: Any) -> Any:
            time.sleep(0.5)
            return super().probabilities(pixels)

    images = [first, *[picture(COLOURS["red"])] * 11]
    rows = {"inputs": [base64.b64encode(image).decode() for image in images]}
    with client_of(Slow(**vars(colour_classifier()))) as client:
        assert client.post("/invocations", json=rows).status_code == status
        client.post("/predict", files=upload(images[-1]))
    assert len(decoded) < 10


def test_whatever_fails_is_told_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    with client_of(colour_classifier()) as client:
        sent = client.post("/invocations", content=b'{"inputs": [', headers=JSON)
        assert sent.status_code == 422
        assert sent.json()["error"].startswith("the request: JSON decode error")
        for error, status in ((UserError("the store is away"), 503), (KeyError("x"), 500)):

            def fail(self: TrackedClassifier, picture: Any, error: Exception = error) -> None:
                raise error

            monkeypatch.setattr(TrackedClassifier, "look_at", fail)
            found = client.post("/explain", files=upload(picture(COLOURS["red"])))
            assert found.status_code == status
            assert str(error) in found.json()["error"]


def test_a_fault_of_ours_ends_one_request_and_no_other() -> None:
    classifier = colour_classifier()
    faults: list[Exception] = []

    class Faulty(TrackedClassifier):
        def probabilities(self, pixels: Any) -> Any:
            if faults:
                raise faults.pop()
            return super().probabilities(pixels)

    faulty = Faulty(**vars(classifier))
    with client_of(faulty) as client:
        faults.append(ZeroDivisionError())
        assert client.post("/predict", files=upload(picture((1, 2, 3)))).status_code == 500
        assert client.post("/predict", files=upload(picture((1, 2, 3)))).status_code == 200


def test_hostile_requests_are_refused_and_good_ones_answered_beside_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmark.pages.request_limits.PATIENCE_SECONDS", 3)
    good = form(picture(COLOURS["red"]))
    requests = [(good, True)] * 60 + [(one, False) for one in islice(hostile(good[1]), 60)]
    with served(colour_classifier()) as address:
        found, _ = measure(("127.0.0.1", int(address.rpartition(":")[2])), requests[::-1], 8)
    assert found.wrong == []
    assert len(found.seconds) == 60


def test_the_interface_is_described_and_its_pages_take_nothing_from_the_web(
    client: TestClient,
) -> None:
    described = client.get("/openapi.json").json()
    assert {*described["paths"]} == {"/predict", "/explain", "/invocations", "/health"}
    assert {*described["paths"]["/health"]} == {"get"}
    assert client.get("/health").json()["status"] == "ok"
    assert {client.head(page).status_code for page in ("/", "/docs", "/health")} == {200}
    for page in ("/", "/docs", "/static/page.css", "/static/page.js"):
        text = client.get(page).text
        assert re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", text) == []
        assert "@import" not in text
    assert "default-src 'self'" in client.get("/").headers["content-security-policy"]
    missing = client.get("/nowhere")
    assert missing.status_code == 404
    assert missing.json()["error"] == "there is no GET /nowhere; see /docs"
