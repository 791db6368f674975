"""A check that fails says what to change, in the words of who wrote the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from registry import ModelSpec, UserError
from registry.checks import CheckFailed, check_model
from registry.specs import InputSpec


class Net(nn.Module):
    """A backbone that keeps its promises."""

    num_features = 8

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 5, stride=4), nn.ReLU())

    def forward_features(self, x: Tensor) -> Tensor:
        features: Tensor = self.stem(x)
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = True) -> Tensor:
        return x.mean((2, 3))


def model(factory: Callable[[int], Any] = lambda size: Net(), **parts: Any) -> ModelSpec:
    return ModelSpec(**{"name": "net", "title": "Net", "factory": factory, **parts})


def made(**members: Any) -> ModelSpec:
    """A model whose class has other members than `Net`."""
    return model(lambda size: type("Changed", (Net,), members)())


class FixedSize(Net):
    """Takes images of 64 pixels alone."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(8 * 15 * 15, 8)

    def forward_head(self, x: Tensor, pre_logits: bool = True) -> Tensor:
        embeddings: Tensor = self.dense(x.flatten(1))
        return embeddings


class WithClassifier(Net):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 10)


class Frozen(Net):
    def __init__(self) -> None:
        super().__init__()
        self.stem.requires_grad_(False)


class Tied(Net):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("again", next(self.stem.parameters()).data)


class Dense(Net):
    """Has no convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(3, 8))

    def forward_features(self, x: Tensor) -> Tensor:
        tokens: Tensor = self.stem(x.flatten(2).transpose(1, 2))
        return tokens

    def forward_head(self, x: Tensor, pre_logits: bool = True) -> Tensor:
        return x.mean(1)


class Twice(Net):
    def forward_features(self, x: Tensor) -> Tensor:
        self.stem(x)
        features: Tensor = self.stem(x)
        return features


class Pooled(Net):
    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward_head(self, x: Tensor, pre_logits: bool = True) -> Tensor:
        embeddings: Tensor = self.pool(x).flatten(1)
        return embeddings


class Both(Net):
    """Gives more than its features."""

    def forward_features(self, x: Tensor) -> Any:
        return self.stem(x), x


class BothPooled(Net):
    def forward_head(self, x: Tensor, pre_logits: bool = True) -> Any:
        return {"pooled": super().forward_head(x)}


def shared(net: Net = Net()) -> Net:  # noqa: B008
    return net


def drawn_by_numpy() -> Net:
    net = Net()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(np.random.rand())
    return net


def broken(*args: Any) -> Any:
    raise OSError("the disk is gone")


MODELS: dict[str, tuple[ModelSpec, str]] = {
    "title": (model(title=" "), "its title is empty"),
    "schedules": (model(schedules=()), r"schedules is empty; name one, such as \('scratch',\)"),
    "weights": (model(schedules=("staged",)), "start from pretrained weights, and it has none"),
    "factory": (model(broken), r"the factory fails; .* \(OSError: the disk is gone\)"),
    "two features": (model(lambda size: Both()), "forward_features gives tuple; give a tensor"),
    "two embeddings": (model(lambda size: BothPooled()), "forward_head gives dict; give a tensor"),
    "nothing": (model(lambda size: None), r"NoneType, which has no forward_features"),
    "no num_features": (
        model(lambda size: nn.Identity()),
        "the factory fails; .* Identity, which has no forward_features",
    ),
    "features": (made(forward_features=broken), "forward_features fails on images .* of 64 px"),
    "flat features": (
        made(forward_features=lambda self, x: self.stem(x).mean((2, 3))),
        r"forward_features gives \(3, 8\) of 3 images; give maps",
    ),
    "num_features": (made(num_features=100), "num_features is 100, .* 8 .* set num_features = 8"),
    "pre_logits": (
        made(forward_head=lambda self, x: x.mean((2, 3))),
        r"bench calls forward_head\(features, pre_logits=True\) .*unexpected keyword",
    ),
    "maps for embeddings": (
        made(forward_head=lambda self, x, pre_logits: x),
        r"forward_head gives \(3, 8, 15, 15\) of 3 images; give \(N, num_features\)",
    ),
    "not finite": (
        made(forward_head=lambda self, x, pre_logits: x.mean((2, 3)) / 0),
        "are not finite",
    ),
    "shared": (model(lambda size: shared()), "two backbones share stem.0.weight; make a new one"),
    "seed": (
        model(lambda size: drawn_by_numpy()),
        "gives other weights in stem.0.weight; draw them",
    ),
    "random": (
        made(forward_head=lambda self, x, pre_logits: nn.functional.dropout(x.mean((2, 3)))),
        "the same images get other embeddings; .* heed self.training",
    ),
    "batch": (
        made(forward_head=lambda self, x, pre_logits: x.mean((2, 3)) - x.mean()),
        "an embedding depends on the other images of its batch",
    ),
    "constant": (
        made(forward_head=lambda self, x, pre_logits: 0 * x.mean((2, 3))),
        "two images have the same embedding",
    ),
    "view": (
        made(forward_head=lambda self, x, pre_logits: x.view(len(x), -1)[:, :8]),
        "channels lie last in memory.* reshape or flatten in place of view",
    ),
    "frozen": (model(lambda size: Frozen()), r"stem.0.weight, stem.0.bias cannot be trained"),
    "classifier": (
        model(lambda size: WithClassifier()),
        "fc.weight, fc.bias add nothing to the embeddings; drop them",
    ),
    "dead": (
        made(
            forward_features=lambda self, x: (
                torch.relu(self.stem(x) - 1e6) + x.mean((1, 2, 3), keepdim=True)
            )
        ),
        "the gradient of stem.0.weight is zero",
    ),
    "size": (
        model(lambda size: FixedSize()),
        "made for images of 96 px it fails on them; let the factory's image_size decide",
    ),
    "cam_layer": (model(cam_layer="stme.0"), "cam_layer='stme.0' is no layer; did you mean stem.0"),
    "run twice": (model(lambda size: Twice(), cam_layer="stem"), "is run 2 times for each batch"),
    "one place": (
        model(lambda size: Pooled(), cam_layer="pool"),
        r"gives \(3, 8, 1, 1\), no maps of more than one place; name an earlier layer",
    ),
    "no convolution": (model(lambda size: Dense()), "Grad-CAM finds no convolution; name a layer"),
    "no attention": (model(explanation="attention"), "explanation='attention' needs"),
    "tied": (model(lambda size: Tied()), "cannot be written to a file; give each tensor"),
}


@pytest.mark.parametrize("kind", MODELS)
def test_model_that_breaks_a_promise_is_told_what_to_change(kind: str) -> None:
    spec, told = MODELS[kind]
    with pytest.raises(CheckFailed, match=f"^net: .*{told}"):
        check_model(spec)


def test_model_that_keeps_its_promises_passes() -> None:
    check_model(model())
    check_model(model(cam_layer="stem"))
    check_model(model(lambda size: Dense(), explanation=None))
    check_model(model(lambda size: FixedSize() if size == 64 else broken()))
    check_model(model(lambda size: Pooled(), cam_layer="stem"), image_size=32)


def refusing(size: int) -> Any:
    if size != 64:
        raise UserError(f"net takes 64 pixels, not {size}")
    return FixedSize()


def test_model_may_refuse_sizes() -> None:
    check_model(model(refusing))
    check_model(model(refusing, input=InputSpec(size=64)))
    with pytest.raises(CheckFailed, match="net takes 64 pixels, not 32"):
        check_model(model(refusing), image_size=32)


def test_unknown_model_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match=r"did you mean resnet18"):
        check_model("resnet19")
