"""Turns a run's data, known by content, into decoded images on the machine that makes the run."""

from __future__ import annotations

import socket
from pathlib import Path

from benchmark.data.home import home
from benchmark.data.image_store import store_folder
from benchmark.data.prepared import prepare
from benchmark.execution.planning import source_of
from benchmark.study.config import Config
from benchmark.study.plan import RunSpec
from registry.errors import UserError


def bring_images(spec: RunSpec, config: Config, known: Path) -> Path:
    """Find a run's decoded images, or decode them.

    Args:
        spec: The run.
        config: Of its study, which says where the images come from.
        known: Home of the image stores where the study was planned.

    Returns:
        The home that has them: that one, if it is there here, or else this machine's own.

    Raises:
        UserError: They are not here, and cannot be had.
    """
    own = home()
    for place in (known, own):
        data = spec.data
        if store_folder(place, data.fingerprint, data.image_size, spec.input).exists():
            return place
    here = socket.gethostname()
    try:
        found = prepare(
            source_of(config, own, pretraining=spec.pretraining),
            image_size=spec.data.image_size,
            seed=spec.data.seed,
            home=own,
            input_=spec.input,
        )
    except UserError as error:
        raise UserError(f"{here} lacks the images, and finds none: {error}") from error
    if found.spec.fingerprint != spec.data.fingerprint:
        raise UserError(
            f"{here} has other images in {config.data.source} ({found.spec.num_images:,}, "
            f"not the same {spec.data.num_images:,}); copy them there, or share the folder"
        )
    return own
