"""Turns published pretrained weights into a backbone's state dict."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import requires
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, ClassVar, Protocol
from urllib.parse import urlparse

if TYPE_CHECKING:
    from torch import Tensor, nn

StateDict = dict[str, "Tensor"]
WEIGHTS_SUFFIXES = (".safetensors", ".pth")
"""Of the files that are looked for in a user's folder of weights."""


class WeightsUnavailable(Exception):
    """Pretrained weights cannot be had; the message says why and what to do."""


class Weights(Protocol):
    """A source of pretrained weights for one backbone.

    Attributes:
        installed: Whether they are on this machine already, so that nothing need stand in for them.
    """

    installed: ClassVar[bool]

    def load(self, image_size: int, folder: Path | None) -> StateDict:
        """Read the weights, from the folder, a cache or the network.

        Args:
            image_size: Side of the images in pixels; position embeddings are resized to it.
            folder: Where the user keeps weight files; looked at first.

        Returns:
            The backbone's state dict.

        Raises:
            WeightsUnavailable: They are neither in the folder nor in a cache, and no download came.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class TorchvisionWeights:
    """ImageNet weights that torchvision publishes.

    Attributes:
        url: Address of the state dict; the file's name ends in the start of its SHA-256.
        adapt: (torchvision's state dict, image size in pixels) -> the backbone's state dict.
    """

    installed: ClassVar[bool] = False
    url: str
    adapt: Callable[[StateDict, int], StateDict]

    def load(self, image_size: int, folder: Path | None) -> StateDict:
        """See `Weights.load`; the cache is torch.hub's, and the file's hash is checked."""
        import torch

        filename = Path(urlparse(self.url).path).name
        cache = Path(torch.hub.get_dir(), "checkpoints")
        files = [place / filename for place in (folder, cache) if place is not None]
        try:
            if local := next((file for file in files if file.is_file()), None):
                _check_hash(local)
                state = read_state(local)
            else:
                state = torch.hub.load_state_dict_from_url(
                    self.url, map_location="cpu", check_hash=True, progress=False, weights_only=True
                )
        # URLError is an OSError, a bad hash a RuntimeError.
        except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
            raise WeightsUnavailable(
                f"ImageNet weights {filename} cannot be had ({_reason(error)}); "
                "put that file into a folder and pass --weights FOLDER, or use --weights demo"
            ) from error
        return self.adapt(state, image_size)


@dataclass(frozen=True, kw_only=True)
class TimmWeights:
    """The default pretrained weights of a timm model.

    Attributes:
        model: timm's name of the model.
        create: ``timm.create_model`` for this model, without a classifier, at an image size.
    """

    installed: ClassVar[bool] = False
    model: str
    create: Callable[..., nn.Module]

    def load(self, image_size: int, folder: Path | None) -> StateDict:
        """See `Weights.load`; files in the folder are called MODEL.safetensors or MODEL.pth."""
        local = None if folder is None else self.file_in(folder)
        try:
            with quiet("timm", "huggingface_hub"):  # what they warn of is said below, once
                if local is not None:
                    return self._from_file(local, image_size)
                return self.create(image_size, pretrained=True).state_dict()
        except Exception as error:  # the hub's client raises errors of many libraries
            what = f"pretrained weights of timm's {self.model} cannot be had"
            remedy = f"put {self._names[0]} into a folder and pass --weights FOLDER"
            remedy += ", or use --weights demo"
            if local is not None:
                what = f"{local} does not hold weights of timm's {self.model}"
                remedy = "put another there, or use --weights demo"
            raise WeightsUnavailable(f"{what} ({_reason(error)}); {remedy}") from error

    def file_in(self, folder: Path) -> Path | None:
        """The file that the user keeps of these weights; None if there is none."""
        return next((folder / name for name in self._names if (folder / name).is_file()), None)

    @property
    def _names(self) -> list[str]:
        return [f"{self.model}{suffix}" for suffix in WEIGHTS_SUFFIXES]

    def _from_file(self, path: Path, image_size: int) -> StateDict:
        """Load a file as timm does, which lets fresh weights stand where the file has none.

        Raises:
            RuntimeError: It does not have all weights.
            Exception: Of timm: they do not fit.
        """
        import torch

        def state(tensors: StateDict) -> StateDict:
            backbone = self.create(
                image_size, pretrained=True, pretrained_cfg_overlay={"state_dict": tensors}
            )
            return backbone.state_dict()

        tensors, drawn = read_state(path), torch.get_rng_state()
        first = state({**tensors})  # timm takes its classifier out
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(drawn)
            second = state({name: _other(tensor) for name, tensor in tensors.items()})
        # What is the same of another file comes of none. Whole numbers count batches, or are fixed.
        found = {name: tensor for name, tensor in first.items() if tensor.is_floating_point()}
        if fresh := [name for name, tensor in found.items() if tensor.equal(second[name])]:
            raise RuntimeError(f"it lacks {len(fresh)} of its {len(first)} tensors, as {fresh[0]}")
        return first


@dataclass(frozen=True, kw_only=True)
class PackagedWeights:
    """ImageNet weights in a file of an installed package, whose code is never run.

    Attributes:
        package: Name of the distribution, as one installs it.
        file: Path of a state dict below the folder of packages; its name ends in the start of its
            SHA-256.
        adapt: (the file's state dict, image size in pixels) -> the backbone's state dict.
    """

    installed: ClassVar[bool] = True
    package: str
    file: str
    adapt: Callable[[StateDict, int], StateDict]

    def load(self, image_size: int, folder: Path | None) -> StateDict:
        """See `Weights.load`; a file of the same name in the folder goes before the package's."""
        try:
            own = None if folder is None else folder / Path(self.file).name
            path = own if own and own.is_file() else self._packaged()
            _check_hash(path)
            state = read_state(path)
        except (OSError, RuntimeError) as error:
            is_ours = any(
                one.startswith(self.package) for one in requires("classifier-bench") or ()
            )
            how = "type: uv sync --inexact --reinstall-package" if is_ours else "reinstall"
            raise WeightsUnavailable(
                f"the ImageNet weights of the package {self.package} cannot be had "
                f"({_reason(error)}); {how} {self.package}"
            ) from error
        return self.adapt(state, image_size)

    def _packaged(self) -> Path:
        """The package's file, wherever it lies: an editable install's in the user's own folder.

        Raises:
            FileNotFoundError: There is none.
        """
        top, _, below = self.file.partition("/")
        found = find_spec(top)  # which runs none of its code
        for folder in (found and found.submodule_search_locations) or ():
            if (file := Path(folder, below)).is_file():
                return file
        raise FileNotFoundError(f"{self.file} is not installed")


def read_state(path: Path) -> StateDict:
    """Read a file of tensors by name, as PyTorch or safetensors write it, without running its code.

    Raises:
        OSError: It cannot be read.
        RuntimeError: It is no such file; says what it is.
    """
    from timm.models import load_state_dict

    with path.open("rb") as file:
        start = file.read(64)
    if start and start.isascii() and b"".join(start.split()).decode().isprintable():
        raise RuntimeError("it is text, such as a web page")
    try:
        state: StateDict = load_state_dict(str(path), device="cpu", weights_only=True)
    except Exception as error:  # of several libraries, each in its own words
        raise RuntimeError("it is no file of tensors, or not all of one") from error
    if not state:
        raise RuntimeError("it holds no tensors")
    if strange := [name for name, tensor in state.items() if not hasattr(tensor, "isfinite")]:
        raise RuntimeError(f"what it calls {strange[0]} is no tensor")
    if broken := [name for name, tensor in state.items() if not tensor.isfinite().all()]:
        raise RuntimeError(f"{broken[0]} holds what is no number")
    return state


def _other(tensor: Tensor) -> Tensor:
    """Other numbers than a tensor's, also than those that weights begin with: 0, 1 and -1."""
    return 2 * tensor.detach() + 0.7 if tensor.is_floating_point() else tensor


@contextmanager
def quiet(*libraries: str) -> Iterator[None]:
    """Let libraries log nothing but errors in the ``with`` block."""
    loggers = [logging.getLogger(name) for name in libraries]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _reason(error: Exception) -> str:
    """What an error says, in one line: a heading's first entry, or what kind it is."""
    first, *rest = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    return (rest[0] if first.endswith(":") and rest else first) or type(error).__name__


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_hash(path: Path) -> None:
    published = re.search(r"-([0-9a-f]{8,})\.", path.name)
    digest = file_hash(path)
    if published and not digest.startswith(published[1]):
        raise RuntimeError(f"{path} is damaged, delete it: its SHA-256 begins with {digest[:8]}")
