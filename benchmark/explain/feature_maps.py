"""Turns a network into a layer that sees places, and the layer's output into maps of the image."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.training.network import Network
from registry.errors import PluginError

MAX_PREFIX = 8
"""No model has so many tokens before the patches, of classes and registers."""
_TRIES = 16


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a layer's output lies over a square image.

    Attributes:
        side: How many places are in a row, and in a column.
        channels: The axis of the channels.
        prefix: How many tokens come before those of places; None for feature maps.
    """

    side: int
    channels: int
    prefix: int | None = None

    def maps(self, output: Tensor) -> Tensor:
        """The layer's output -> (N, C, side, side)."""
        channels_first = output.movedim(self.channels, 1)
        if self.prefix is None:
            return channels_first
        return channels_first[..., self.prefix :].reshape(len(output), -1, self.side, self.side)


def layout_of(shape: Sequence[int], channels: int | None, prefix: int | None) -> Layout | None:
    """Tell how an output lies over a square image.

    Args:
        shape: (N, C, h, w), (N, h, w, C), (N, T, C) or (N, C, T).
        channels: How many the layer has; None to take the odd axis of four, or the last of three.
        prefix: How many tokens, it is said, come before those of places; else as few as may be.

    Returns:
        The layout; None if the places form no square of at least 2 x 2.
    """
    for axis in {4: (1, 3), 3: (2, 1) if channels else (2,)}.get(len(shape), ()):
        if channels not in (None, shape[axis]):
            continue
        places = [size for i, size in enumerate(shape) if i not in (0, axis)]
        if len(places) == 2:
            if places[0] == places[1] > 1:
                return Layout(side=places[0], channels=axis)
            continue
        for tokens in (prefix or 0, *range(MAX_PREFIX)):
            side = math.isqrt(max(places[0] - tokens, 0))
            if side > 1 and side * side == places[0] - tokens:
                return Layout(side=side, channels=axis, prefix=tokens)
    return None


@dataclass(frozen=True, kw_only=True)
class PlaceLayer:
    """A layer whose output has a place for each part of the image.

    Attributes:
        name: Dotted, in the backbone.
        module: The layer.
        layout: Of its output.
        part: Which of its outputs it is, if there are several.
    """

    name: str
    module: nn.Module
    layout: Layout
    part: int = 0

    @contextmanager
    def cut(self) -> Iterator[list[Tensor]]:
        """Let the ``with`` block's forward pass begin here: record the layer's output as a leaf."""
        outputs: list[Tensor] = []

        def record(module: nn.Module, args: Any, output: Any) -> Any:
            outputs.append(_parts(output)[self.part].detach().requires_grad_())
            # A copy, since what follows may write to it.
            return _with_part(output, self.part, outputs[-1].clone())

        handle = self.module.register_forward_hook(record)
        try:
            yield outputs
        finally:
            handle.remove()


def find_place_layer(
    network: Network, name: str | None, images: Tensor, side: int
) -> tuple[PlaceLayer, bool]:
    """Find the last layer with enough places through which the image reaches the embedding.

    Args:
        network: In evaluation mode.
        name: Dotted name of the layer in the backbone; None for the last of timm's stages, or of
            all layers that nothing bypasses.
        images: (N, 3, S, S) to try it on.
        side: How many places in a row are enough; where no layer has them, the most there are.

    Returns:
        The layer, and whether its places are those of the last layer that has any.

    Raises:
        PluginError: The layer that is named is none, or has no places.
        NotImplementedError: No layer has places, or the image does not matter.
    """
    backbone, image = network.backbone, images[:1].detach().clone()
    if name:
        found = _seeing(network, _named(backbone, name), image)
    else:
        # Where convolutions have no padding, grids are smaller than timm says.
        found = _seeing(network, _stages(backbone, sized=True), image) or _seeing(
            network, _stages(backbone, sized=False), image
        )
    if not found and name is None:
        layers = _seeing(network, _all_layers(backbone), image)
        found = [one for one in layers[:_TRIES] if not _is_bypassed(network, one, image)] or layers
    if not found:
        (gradient,) = _gradients(network, image, lambda: [image])
        if gradient is None or not gradient.any():
            raise NotImplementedError(
                "the network says the same whatever the image shows, as one does whose units died"
            )
        if name:
            raise PluginError(
                f"cam_layer {name!r} has no square of places that reach the embedding"
            )
        raise NotImplementedError(
            "no layer of the backbone has a square of places that reach the embedding"
        )
    found = [one for one in found if not _is_shuffled(network, one, image)] or found
    last = found[0].layout.side
    enough = [layer for layer in found if layer.layout.side >= side]
    chosen = enough[0] if enough else max(found, key=lambda layer: layer.layout.side)
    return chosen, chosen.layout.side == last


@dataclass(frozen=True)
class _Candidate:
    name: str
    module: nn.Module
    channels: int | None = None
    reduction: float | None = None
    """Side of the image over that of the grid, rounded or not."""

    def layout(self, output: Tensor, image: Tensor, prefix: int | None) -> Layout | None:
        """Lay an output out over an image, if its grid is that of the stage."""
        found = layout_of(output.shape, self.channels, prefix)
        if found is None or self.reduction is None:
            return found
        expected = image.shape[-1] / self.reduction
        return found if abs(found.side - expected) < 1 else None


def _named(backbone: nn.Module, name: str) -> list[_Candidate]:
    try:
        return [_Candidate(name, backbone.get_submodule(name))]
    except AttributeError as error:
        raise PluginError(f"cam_layer {name!r} is no layer of the backbone") from error


def _stages(backbone: Any, *, sized: bool) -> list[_Candidate]:
    """The stages that timm's models, and those in its vocabulary, name with their channels.

    Args:
        backbone: The backbone.
        sized: Whether their grids are to be as large as it says.
    """
    stages = getattr(backbone, "feature_info", None) or []
    modules = dict(backbone.named_modules())
    return [
        _Candidate(
            stage["module"],
            modules[stage["module"]],
            stage["num_chs"],
            stage.get("reduction") if sized else None,
        )
        for stage in stages
        if stage.get("module") in modules
    ]


def _all_layers(backbone: nn.Module) -> list[_Candidate]:
    return [_Candidate(name, module) for name, module in backbone.named_modules() if name]


def _seeing(network: Network, candidates: list[_Candidate], image: Tensor) -> list[PlaceLayer]:
    """Those in whose output the embedding depends on more than one place, the last first."""
    calls: list[tuple[PlaceLayer, Tensor]] = []
    times: Counter[str] = Counter()
    prefix = getattr(network.backbone, "num_prefix_tokens", None)

    def recorder(candidate: _Candidate) -> Callable[..., Any]:
        def record(module: nn.Module, args: Any, output: Any) -> Any:
            times[candidate.name] += 1
            for i, part in [*enumerate(_parts(output))][::-1]:  # the first comes first below
                if not isinstance(part, Tensor) or len(part) != len(image):
                    continue
                layout = candidate.layout(part, image, prefix)
                if layout is not None and part.requires_grad:
                    layer = PlaceLayer(name=candidate.name, module=module, layout=layout, part=i)
                    # A copy tells what follows the layer from what uses the same tensor in it.
                    calls.append((layer, part.clone()))
                    output = _with_part(output, i, calls[-1][1])
            return output

        return record

    with ExitStack() as hooks:
        for candidate in candidates:
            handle = candidate.module.register_forward_hook(recorder(candidate))
            hooks.callback(handle.remove)
        gradients = _gradients(network, image, lambda: [output for _, output in calls])
    return [
        layer
        for (layer, _), gradient in reversed([*zip(calls, gradients, strict=True)])
        if gradient is not None
        and times[layer.name] == 1
        and (layer.layout.maps(gradient).abs().sum(1) > 0).sum() > 1
    ]


def _is_bypassed(network: Network, layer: PlaceLayer, image: Tensor) -> bool:
    """Whether the image reaches the embedding in other ways, too, as past a residual branch."""
    with layer.cut():
        (gradient,) = _gradients(network, image, lambda: [image])
    return gradient is not None


@torch.no_grad()
def _is_shuffled(network: Network, layer: PlaceLayer, image: Tensor) -> bool:
    """Whether timm lays the layer's tokens out in another order, as Hiera's units are."""
    backbone = network.backbone
    if layer.layout.prefix is None or not hasattr(backbone, "forward_intermediates"):
        return False
    with layer.cut() as outputs:
        backbone.forward_features(image)
    maps = layer.layout.maps(outputs[0])
    own = backbone.forward_intermediates(image, intermediates_only=True)
    alike = [one for one in own if isinstance(one, Tensor) and one.shape == maps.shape]
    return bool(alike) and not any(torch.allclose(one, maps, atol=1e-4) for one in alike)


def _gradients(
    network: Network, image: Tensor, tensors: Callable[[], list[Tensor]]
) -> Sequence[Tensor | None]:
    """Differentiate a random mixture of the embedding, in which nothing cancels out."""
    with torch.enable_grad():
        embeddings = network.pool(image.requires_grad_())
        seed = torch.Generator().manual_seed(0)
        weights = torch.randn(embeddings.shape, generator=seed).to(embeddings.device)
        wanted = tensors()
        if not wanted:
            return ()
        found: Sequence[Tensor | None] = torch.autograd.grad(
            (embeddings * weights).sum(), wanted, allow_unused=True
        )
    return found


def _parts(output: Any) -> list[Any]:
    return [*output] if isinstance(output, tuple | list) else [output]


def _with_part(output: Any, part: int, replaced: Tensor) -> Any:
    """A layer's output with one of its tensors in another's place."""
    parts = _parts(output)
    parts[part] = replaced
    return type(output)(parts) if isinstance(output, tuple | list) else replaced
