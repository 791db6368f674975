"""Turns published pretrained weights into a backbone's state dict."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, ClassVar, Protocol
from urllib.parse import urlparse

if TYPE_CHECKING:
    from torch import Tensor, nn

StateDict = dict[str, "Tensor"]


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
                state = torch.load(local, map_location="cpu", weights_only=True)
            else:
                state = torch.hub.load_state_dict_from_url(
                    self.url, map_location="cpu", check_hash=True, progress=False, weights_only=True
                )
        # URLError is an OSError, a bad hash a RuntimeError, a file of another kind any of these.
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
        names = (f"{self.model}.safetensors", f"{self.model}.pth")
        files = [] if folder is None else [folder / name for name in names]
        local = next((str(file) for file in files if file.is_file()), None)
        try:
            backbone = self.create(
                image_size,
                pretrained=True,
                pretrained_cfg_overlay={} if local is None else {"file": local},
            )
        except Exception as error:  # the hub's client raises errors of many libraries
            raise WeightsUnavailable(
                f"pretrained weights of timm's {self.model} cannot be had "
                f"({type(error).__name__}: {_reason(error)}); put {names[0]} "
                "into a folder and pass --weights FOLDER, or use --weights demo"
            ) from error
        return backbone.state_dict()


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
        import torch

        try:
            packaged = Path(str(distribution(self.package).locate_file(self.file)))
            own = None if folder is None else folder / packaged.name
            path = own if own and own.is_file() else packaged
            _check_hash(path)
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (PackageNotFoundError, OSError, RuntimeError, EOFError, UnpicklingError) as error:
            raise WeightsUnavailable(
                f"the ImageNet weights of the package {self.package} cannot be had "
                f"({_reason(error)}); type: uv sync --reinstall-package {self.package}"
            ) from error
        return self.adapt(state, image_size)


def _reason(error: Exception) -> str:
    """The first line of an error's message, which may be long or empty."""
    return str(error).partition("\n")[0] or type(error).__name__


def _check_hash(path: Path) -> None:
    published = re.search(r"-([0-9a-f]{8,})\.", path.name)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if published and not digest.startswith(published[1]):
        raise RuntimeError(f"{path} is damaged, delete it: its SHA-256 begins with {digest[:8]}")
