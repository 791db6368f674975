"""``bench serve``: turns a trained classifier into a page and an HTTP interface."""

from __future__ import annotations

import signal
import warnings

import click

from benchmark.commands.options import classifier_options
from benchmark.commands.ports import HOST, listen, port_option
from registry.printable import printable


@click.command()
@classifier_options
@port_option(8000)
def serve(name: str, seed: int | None, context: str | None, port: int) -> None:
    """Serve a classifier on this machine: a page for pictures, and HTTP for programs.

    POST /predict takes a picture as the form's file "image", and ?top=N; /explain shows where it
    looked, /invocations takes MLflow's format. The page and the interface's description, /docs,
    need no network. It ends with Ctrl-C.
    """
    from benchmark.processes.signals import Interrupted

    with listen(port, "serve") as listening:
        from benchmark.classifier.loading import find_classifier
        from benchmark.pages.classifier_app import classifier_app
        from benchmark.pages.classifier_server import serve_until_interrupted
        from benchmark.tracking.store import Store

        classifier = find_classifier(Store(), name, seed=seed, context=context)
        app = classifier_app(classifier)
        address = f"http://{HOST}:{listening.getsockname()[1]}"
        classes = f"{len(classifier.class_names)} classes"
        click.echo(printable(f"{classifier.name} tells {classes} apart at {address}"))
        click.echo(f"For programs: {address}/docs\nStop with Ctrl-C")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's, of pictures that are refused
                serve_until_interrupted(app, listening)
        except Interrupted as stop:
            if stop.number != signal.SIGINT:  # Ctrl-C is how it is meant to end
                raise
