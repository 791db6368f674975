"""`bench serve` as a process of its own: it answers until a signal, and tells mistakes at once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from itertools import takewhile
from urllib.request import urlopen

from click.testing import CliRunner

from benchmark.cli import main
from benchmark.study.config import Config
from benchmark.tracking.store import Store
from tests.studies import run
from tests.test_cli import assert_one_line_error

ENDINGS = ((signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_it_answers_until_a_signal_ends_it(config: Config, store: Store) -> None:
    run(config, "basic_cnn", save_weights="all")
    port = free_port()
    command = [sys.executable, "-m", "benchmark.cli", "serve", "--port", str(port)]
    for number, exit_code in ENDINGS:
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # nohup ignores it
        ) as server:
            assert server.stdout is not None
            told = [*takewhile(lambda line: "Ctrl-C" not in line, server.stdout)]
            assert f"basic_cnn-scratch tells 3 classes apart at http://127.0.0.1:{port}" in told[0]
            with urlopen(f"http://127.0.0.1:{port}/health") as answer:
                assert answer.status == 200
            if number == signal.SIGINT:
                taken = CliRunner().invoke(main, ["serve", "--port", str(port)])
                assert_one_line_error(taken, f"port {port} is in use", f"--port {port + 1}")
            server.send_signal(number)
            rest = server.stdout.read()
            assert server.wait(60) == exit_code
            assert "Traceback" not in rest


def test_an_unknown_classifier_is_told_in_one_line(store: Store, config: Config) -> None:
    run(config, "basic_cnn", save_weights="none")
    port = str(free_port())
    unknown = CliRunner().invoke(main, ["serve", "--model", "basic_cn", "--port", port])
    assert_one_line_error(unknown, "basic_cnn-scratch")
    gone = CliRunner().invoke(main, ["serve", "--port", port])
    assert_one_line_error(gone, "kept no weights")
