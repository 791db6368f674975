"""Measures a server that `bench serve` has started: latency, throughput, hostile requests, memory.

    uv run bench serve &
    uv run python -m tests.performance.load [--pictures DIR] [--requests N] [--hostile N]

For each number of clients, that many threads send pictures one after another: the time from the
first byte sent to the last one received. The hostile requests come last, among good ones: no
picture, broken and enormous ones, forms without end. The server has to answer each of them with
4xx, or to hang up, and to answer the good ones as before.
"""

from __future__ import annotations

import argparse
import http.client
import io
import itertools
import json
import queue
import random
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

BOUNDARY = "picture-boundary"
Request = tuple[str, bytes, dict[str, str]]
"""Path, body and headers of a POST."""


@dataclass
class Found:
    """What came back: seconds of each answered request, and how often each status."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def form(content: bytes, name: str = "image") -> Request:
    """An upload."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="a.jpg"\r\n\r\n'
    )
    body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    return "/predict", body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def pictures(folder: Path | None) -> list[bytes]:
    """Contents of a folder's picture files, or twenty drawn ones of a photo's kind."""
    if folder is not None:
        suffixes = {".jpg", ".jpeg", ".png", ".webp"}
        return [one.read_bytes() for one in folder.rglob("*") if one.suffix.lower() in suffixes][
            :200
        ]
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(20):
        coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(coarse).resize((640, 480)).save(file, "JPEG", quality=88)
        drawn.append(file.getvalue())
    return drawn


def png_header(width: int, height: int) -> bytes:
    """A PNG that says to be of a size, and has next to no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + crc

    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size + b"\x08\x02\x00\x00\x00")
    return start + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def hostile(good: bytes, seed: int = 0) -> Iterator[Request]:
    """Endless requests that no picture can be read from."""
    rng = random.Random(seed)
    kinds: list[Callable[[], Request]] = [
        lambda: form(rng.randbytes(rng.randrange(20_000))),
        lambda: form(good[: rng.randrange(200)]),
        lambda: form(b""),
        lambda: form(png_header(60_000, 60_000)),
        lambda: form(png_header(2_000_000_000, 1)),
        lambda: form(png_header(500, 500)),
        lambda: form(good, name="other"),
        lambda: form(b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>"),
        lambda: form(b"%!PS\n(boom) run"),
        lambda: ("/predict", rng.randbytes(500), {"Content-Type": "multipart/form-data"}),
        lambda: ("/predict?top=-1", *form(good)[1:]),
        lambda: ("/predict", b"", {"Content-Length": "99999999999"}),
        lambda: ("/predict", bytes(26_000_000), {}),
        lambda: ("/invocations", b"{" * 5000, {"Content-Type": "application/json"}),
        lambda: ("/invocations", b'{"inputs": ["%%%"]}', {"Content-Type": "application/json"}),
        lambda: ("/invocations", b'{"instances": []}', {"Content-Type": "application/json"}),
        lambda: ("/predict", form(good)[1], {**form(good)[2], "Host": "evil.example"}),
        lambda: ("/../../etc/passwd", b"", {}),
    ]
    for make in itertools.cycle(kinds):
        yield make()


def send(address: tuple[str, int], request: Request) -> tuple[int, bytes]:
    """Send one request on a connection of its own; status 0 if the server hangs up."""
    connection = http.client.HTTPConnection(*address, timeout=120)
    path, body, headers = request
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    except (ConnectionError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def measure(
    address: tuple[str, int], requests: list[tuple[Request, bool]], clients: int
) -> tuple[Found, float]:
    """Send requests, each with whether it is good, by so many clients.

    Returns:
        What was found, and the seconds that all of it took.
    """
    waiting: queue.SimpleQueue[tuple[Request, bool]] = queue.SimpleQueue()
    for request in requests:
        waiting.put(request)
    found = Found()

    def work() -> None:
        while True:
            try:
                request, good = waiting.get_nowait()
            except queue.Empty:
                return
            start = time.perf_counter()
            status, body = send(address, request)
            seconds = time.perf_counter() - start
            found.statuses[str(status or "hung up")] += 1
            if good:
                found.seconds.append(seconds)
            if good != (status == 200) or status >= 500:
                found.wrong.append(f"{request[0]}: {status} {body[:200]!r}")
            elif not good and status and not json.loads(body).get("error"):
                found.wrong.append(f"{request[0]}: {status} without a sentence")

    threads = [threading.Thread(target=work) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found, time.perf_counter() - start


def resident(port: int) -> float:
    """MB that the process has in memory that listens at a port of this machine."""
    for connection in psutil.net_connections("tcp"):
        here = getattr(connection.laddr, "port", None) == port
        if here and connection.status == "LISTEN" and connection.pid:
            return float(psutil.Process(connection.pid).memory_info().rss) / 1e6
    return float("nan")


def main(arguments: list[str] | None = None) -> int:
    """Measure, and tell.

    Returns:
        The exit code: 1 if a good request failed, or a hostile one was not refused.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.performance.load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="to send [default: drawn]")
    parser.add_argument("--requests", type=int, default=500, metavar="N", help="for each of 1 8 32")
    parser.add_argument("--hostile", type=int, default=0, metavar="N", help="of the last ones")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32], metavar="N")
    chosen = parser.parse_args(arguments)
    address = "127.0.0.1", chosen.port
    contents = pictures(chosen.pictures)
    forms = itertools.cycle([form(one) for one in contents])
    measure(address, [(next(forms), True) for _ in range(2 * max(chosen.clients))], 8)  # warm
    before = resident(chosen.port)
    wrong: list[str] = []
    for clients in chosen.clients:
        requests = [(next(forms), True) for _ in range(chosen.requests)]
        if clients == chosen.clients[-1] and chosen.hostile:
            bad = itertools.islice(hostile(contents[0]), chosen.hostile)
            requests += [(one, False) for one in bad]
            random.Random(0).shuffle(requests)
        found, seconds = measure(address, requests, clients)
        p50, p99 = np.percentile(1000 * np.array(found.seconds), [50, 99])
        print(  # noqa: T201
            f"{clients:3} clients, {len(requests):,} requests: p50 {p50:.0f} ms, p99 {p99:.0f} ms, "
            f"{len(requests) / seconds:.1f}/s; {dict(sorted(found.statuses.items()))}; "
            f"resident {before:.0f} MB before, {resident(chosen.port):.0f} MB now"
        )
        wrong += found.wrong
    for line in wrong[:20]:
        print(line)  # noqa: T201
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
