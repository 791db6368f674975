"""Turns a model into nothing if it keeps what it promises, else into what to change."""

from __future__ import annotations

from collections.abc import Callable

from registry.checks.made import Made, pool
from registry.checks.maps import shows_where_it_looked
from registry.errors import PluginError, UserError
from registry.models import models
from registry.printable import listed
from registry.specs import ModelSpec

IMAGE_SIZE = 64


def check_model(model: str | ModelSpec, image_size: int | None = None) -> None:
    """Check a model's contract, in seconds for a small one, without training it.

    Args:
        model: Name of a registered one, or a spec.
        image_size: Side of the images in pixels; None for the size that it names, or `IMAGE_SIZE`.

    Raises:
        CheckFailed: It does not keep it; the message says what to change.
        UserError: No model has that name.
    """
    spec = models[model] if isinstance(model, str) else model
    made = Made(spec=spec, image_size=image_size or spec.input.size or IMAGE_SIZE)
    for check in MODEL_CHECKS:
        check(made)


def is_described(made: Made) -> None:
    """It has a title, schedules, and weights if these need some."""
    spec = made.spec
    if not spec.title.strip():
        raise made.fail("its title is empty; say what people call it")
    if not spec.schedules:
        raise made.fail("schedules is empty; name one, such as ('scratch',)")
    if spec.weights is None and spec.schedules != ("scratch",):
        raise made.fail(
            f"schedules={spec.schedules!r} start from pretrained weights, and it has none; give "
            "weights=..., or schedules=('scratch',)"
        )


def is_made_afresh(made: Made) -> None:
    """Each backbone has weights of its own, drawn from torch's seed."""
    import torch

    states = []
    for seed in (0, 0):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            states.append(made.make().state_dict())
    for name, tensor in states[0].items():
        again = states[1][name]
        if tensor.numel() and tensor.data_ptr() == again.data_ptr():
            raise made.fail(f"two backbones share {name}; make a new one in each call")
        if not torch.equal(tensor, again):
            raise made.fail(
                f"the same torch.manual_seed gives other weights in {name}; draw them from torch's "
                "own generator"
            )


def gives_embeddings(made: Made) -> None:
    """``forward_features`` and ``forward_head`` give (N, ``num_features``) finite numbers."""
    import torch

    backbone, images = made.backbone.eval(), made.images
    side = f"{made.image_size} px"
    with made.advising(
        f"forward_features fails on images (3, 3, S, S) of {side}; if it takes other sizes, name "
        "one: check_model(..., image_size=...)"
    ):
        features = backbone.forward_features(images)
    if not isinstance(features, torch.Tensor):
        raise made.fail(f"forward_features gives {type(features).__name__}; give a tensor")
    if features.ndim not in (3, 4) or len(features) != len(images):
        raise made.fail(
            f"forward_features gives {tuple(features.shape)} of 3 images; give maps (N, C, h, w) "
            "or tokens (N, T, C), and pool them in forward_head"
        )
    with made.advising(
        "forward_head fails on what forward_features gives; bench calls "
        "forward_head(features, pre_logits=True)"
    ):
        embeddings = backbone.forward_head(features, pre_logits=True)
    if not isinstance(embeddings, torch.Tensor):
        raise made.fail(f"forward_head gives {type(embeddings).__name__}; give a tensor")
    shape = tuple(embeddings.shape)
    if len(shape) != 2 or shape[0] != len(images):
        raise made.fail(f"forward_head gives {shape} of 3 images; give (N, num_features)")
    if shape[1] != backbone.num_features:
        raise made.fail(
            f"num_features is {backbone.num_features}, and forward_head gives {shape[1]} features; "
            f"set num_features = {shape[1]}"
        )
    if not embeddings.isfinite().all():
        raise made.fail("embeddings of images in [0, 1] are not finite; look for 0 / 0 or log(0)")


def repeats_itself(made: Made) -> None:
    """In evaluation mode an image has one embedding, whatever stands beside it."""
    import torch

    images = made.images
    first, again, alone = (made.embed(batch) for batch in (images, images, images[1:2]))
    if not torch.equal(first, again):
        raise made.fail(
            "in evaluation mode the same images get other embeddings; let what is random, such as "
            "dropout, heed self.training"
        )
    if not torch.allclose(first[1:2], alone, rtol=1e-3, atol=1e-4):
        raise made.fail(
            "in evaluation mode an embedding depends on the other images of its batch; reduce over "
            "a single image's dimensions alone"
        )
    if (first[0] - first[1]).abs().max() < 1e-6:
        raise made.fail("two images have the same embedding; use what is computed of them")


def takes_channels_last(made: Made) -> None:
    """Images may lie in memory with their channels last, as bench keeps them."""
    import torch

    with made.advising(
        "it fails on images whose channels lie last in memory, as bench keeps them; write "
        "reshape or flatten in place of view"
    ):
        made.embed(made.images.contiguous(memory_format=torch.channels_last))


def learns_everywhere(made: Made) -> None:
    """The gradient of the embeddings reaches every parameter."""
    import torch

    parameters = dict(made.backbone.train().named_parameters())
    if fixed := [name for name, one in parameters.items() if not one.requires_grad]:
        raise made.fail(f"{listed(fixed)} cannot be trained; leave freezing to the schedules")
    with torch.enable_grad():
        embeddings = pool(made.backbone, made.images)
        weights = torch.randn(embeddings.shape, generator=torch.Generator().manual_seed(1))
        gradients = torch.autograd.grad(
            (embeddings * weights).sum(), list(parameters.values()), allow_unused=True
        )
    unused = [n for n, one in zip(parameters, gradients, strict=True) if one is None]
    if unused:
        raise made.fail(
            f"{listed(unused)} add nothing to the embeddings; drop them: the classifier is bench's"
        )
    for name, gradient in zip(parameters, gradients, strict=True):
        if not gradient.any() or not gradient.isfinite().all():
            raise made.fail(f"the gradient of {name} is zero or not finite; it cannot be trained")


def heeds_the_image_size(made: Made) -> None:
    """What is made for another size takes images of it, or is refused in the factory."""
    other = made.image_size * 3 // 2
    try:
        backbone = made.spec.make(other).eval()
    except UserError:
        return
    except PluginError:
        return  # a refusal, too, if not one that says what to type
    with made.advising(
        f"made for images of {other} px it fails on them; let the factory's image_size decide the "
        "layers, or raise registry.UserError for sizes that it does not take"
    ):
        pool(backbone, made.noise(other))


def can_be_kept(made: Made) -> None:
    """Its weights can be written to a file and read into another backbone."""
    from safetensors.torch import load, save

    state = {name: one.contiguous() for name, one in made.backbone.state_dict().items()}
    with made.advising(
        "its weights cannot be written to a file; give each tensor of its state_dict memory of its "
        "own"
    ):
        content = save(state)
    with made.advising(
        "its weights cannot be read into another backbone; let the factory make the same layers in "
        "each call"
    ):
        made.make().load_state_dict(load(content))


MODEL_CHECKS: tuple[Callable[[Made], None], ...] = (
    is_described,
    gives_embeddings,
    is_made_afresh,
    repeats_itself,
    takes_channels_last,
    learns_everywhere,
    heeds_the_image_size,
    shows_where_it_looked,
    can_be_kept,
)
