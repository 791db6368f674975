"""``bench explain``: turns a picture and a trained classifier into what it sees and where."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.commands.options import classifier_options
from benchmark.commands.outputs import SOFTWARE, check_file, check_folder, is_picture
from registry.errors import UserError
from registry.printable import printable, shortened

if TYPE_CHECKING:
    from PIL.Image import Image

TOP = 5
STEM = 60
"""So many characters of a picture's name are in that of its explanation."""


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@classifier_options
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Where to write the pictures. [default: here]",
)
@click.option(
    "--class",
    "class_name",
    metavar="CLASS",
    help="What to look for. [default: the most probable class]",
)
def explain(
    images: tuple[Path, ...],
    name: str,
    seed: int | None,
    context: str | None,
    out: Path,
    class_name: str | None,
) -> None:
    """Classify your own IMAGES and draw where the classifier looked.

    The classifier is a completed run that kept its weights: the best row and the backbones of heads
    do, others with: bench run NAME --save-weights all --force.
    """
    check_folder(out, "--out DIR")

    from benchmark.classifier.loading import find_classifier
    from benchmark.data.figures import label
    from benchmark.explain.explainers import ATTENTION
    from benchmark.explain.panels import draw_panels
    from benchmark.tracking.store import Store

    classifier = find_classifier(Store(), name, seed=seed, context=context)
    run = re.sub(r"[/:]", "-", classifier.name)
    files = {image: out / f"{shortened(image.stem, STEM)}-{run}.png" for image in images}
    for file, count in Counter(files.values()).items():
        if count > 1:
            raise UserError(
                f"{count} images would be drawn to {file}; name them one at a time, each with an "
                "--out DIR of its own"
            )
        check_file(file, "--out DIR", is_picture)
    for image, file in files.items():
        look = classifier.look_at(image, class_name)
        click.echo(printable(f"{image} by {classifier.name}:"))
        for class_, probability in look.ranking[:TOP]:
            click.echo(printable(f"  {probability:7.2%}  {class_}"))
        if look.heat is None:
            click.echo(printable(f"  no heatmap: {look.told}"))
            continue
        share = dict(look.ranking)[look.shown]
        caption, about = f"{label(look.shown)} ({share:.0%})", f"for {look.shown}"
        if class_name is not None and look.kind == ATTENTION:
            about = "of the picture, the same for every class"
            caption += f"; the map is {about}"
        picture = look.pixels, look.heat, look.size
        _write(draw_panels(*picture, look.kind, caption, look.told), file)
        click.echo(printable(f"  {file}: {look.kind} {about}"))
        click.echo(f"  {look.told}")


def _write(panels: Image, file: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    from benchmark.processes.leftovers import rewriting

    info = PngInfo()
    info.add_text("Software", SOFTWARE)
    with rewriting(file) as path:
        panels.save(path, "PNG", pnginfo=info)
