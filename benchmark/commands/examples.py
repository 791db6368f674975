"""Turns the name of a command into the examples that its help ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

EXAMPLES: Mapping[str, Sequence[str]] = {
    "run": (
        "bench run --all",
        "bench run --all --data DIR --dry-run",
        "bench run convmixer 'resnet18-frozen*' --data DIR --preset quick",
        "bench run timm:convnext_tiny-frozen --data DIR --set train.epochs=5 --seed 1",
        "bench run 'efficientnet_lite0-frozen*' --data DIR --seeds 5",
    ),
    "sweep": (
        "bench sweep trees --data DIR",
        "bench sweep resnet18-frozen/extra_trees --grid n_estimators=50:600:50",
        "bench sweep resnet18-staged --space lr,weight_decay --trials 20 --data DIR",
        "bench sweep --status",
    ),
    "leaderboard": (
        "bench leaderboard",
        "bench leaderboard --view trees --format markdown",
        "bench leaderboard --view all --csv runs.csv",
        "bench leaderboard --check promised.csv",
    ),
    "compare": (
        "bench compare best resnet18-frozen/extra_trees",
        "bench compare convmixer-scratch basic_cnn-scratch --out differ.html",
        "bench compare convmixer-scratch basic_cnn-scratch --table images --format csv",
    ),
    "report": ("bench report", "bench report --out pokemon.html --title 'All systems'"),
    "pick": ("bench pick --latency 20ms --size 50MB",),
    "predict": (
        "bench predict photos",
        "bench predict photos.zip '*.heic' --model resnet18-staged --csv photos.csv",
        "bench predict - --top 3 < names.txt",
    ),
    "explain": (
        "bench explain cat.jpg",
        "bench explain *.jpg --model resnet18-frozen/extra_trees-n100-d10 --class cat --out looks",
    ),
    "catalogue": (
        "bench catalogue photos",
        "bench catalogue photos.zip --out album --title 'My cards'",
        "bench catalogue photos --sort-into sorted --copy",
    ),
    "register": (
        "bench register",
        "bench register resnet18-staged --as pokedex",
        "bench register resnet18-staged --as pokedex --force",
    ),
    "export": (
        "bench export",
        "bench export resnet18-frozen/extra_trees --output app/classifier",
        "bench export resnet18-staged --format torchscript",
    ),
    "serve": ("bench serve", "bench serve --model resnet18-staged --port 8080"),
    "data": (
        "bench data DIR",
        "bench data DIR --out explored",
        "bench data --table classes",
        "bench data DIR --audit --out audited --fix fix.csv",
    ),
    "ls": (
        "bench ls systems",
        "bench ls settings --preset quick",
        "bench ls runs --format csv",
    ),
    "ui": ("bench ui", "bench ui --port 8080"),
}


def epilog(name: str) -> str:
    """The examples as click takes them: lines that it must not fold."""
    return "\n".join(["\b", "Examples:", *(f"  {example}" for example in EXAMPLES[name])])
