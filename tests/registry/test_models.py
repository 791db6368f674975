"""What every model promises, and that the study's are built as the study describes them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from benchmark.explain.feature_maps import find_place_layer
from benchmark.study.suite import PUBLISHED
from benchmark.training.network import Network, build_network, linear_classifier, meta_network
from registry import models
from registry.checks import MODEL_CHECKS
from registry.checks.made import Made, pool
from registry.models.convmixer import ConvMixer, Residual
from registry.models.residual_cnn import ResidualBlock
from registry.specs import ModelSpec, Schedule

IMAGE_SIZE = 64
ZOO = ["timm:resnet10t", "timm:vit_tiny_patch16_224"]
PARAMETERS: dict[tuple[str, Schedule], int] = {
    ("basic_cnn", "scratch"): 29_623_511,
    ("residual_cnn", "scratch"): 129_529_943,
    ("convmixer", "scratch"): 704_151,
    ("resnet18", "scratch"): 11_253_975,
    ("vit_b_16", "scratch"): 85_937_047,
    ("resnet18", "staged"): 11_253_975,
    ("vit_b_16", "staged"): 85_937_047,
    ("resnet18", "frozen"): 11_609_303,
    ("vit_b_16", "frozen"): 86_384_791,
}
"""At 240 x 240 pixels and 151 classes; the study gives 29.6M, 129M, 700K, 11.3M, 85.9M, …"""


@pytest.fixture(scope="module", params=[spec.name for spec in models] + ZOO)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def made(name: str) -> Made:
    return Made(spec=models[name], image_size=IMAGE_SIZE)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(3, 3, IMAGE_SIZE, IMAGE_SIZE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("check", MODEL_CHECKS, ids=lambda check: check.__name__)
def test_model_keeps_its_contract(made: Made, check: Callable[[Made], None]) -> None:
    check(made)


def test_the_map_has_places(made: Made, images: Tensor) -> None:
    spec, backbone = made.spec, made.backbone
    network = Network(backbone, linear_classifier(backbone.num_features, 2)).eval()
    layer, _ = find_place_layer(network, spec.cam_layer, images, 4)
    with torch.inference_mode(), layer.cut() as outputs:
        network(images)
    batch, channels, height, width = layer.layout.maps(outputs[0]).shape
    assert batch == 3
    assert channels >= 24
    assert height == width == layer.layout.side >= 4


def test_every_network_of_the_study_is_counted() -> None:
    networks = {f"{model}-{schedule}" for model, schedule in PARAMETERS}
    assert networks == {name for name in PUBLISHED if "/" not in name}


@pytest.mark.parametrize(("system", "count"), PARAMETERS.items(), ids=str)
def test_network_has_as_many_parameters_as_the_studys(
    system: tuple[str, Schedule], count: int
) -> None:
    network = meta_network(*system, 240, 151)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


@pytest.mark.parametrize("model", ["vit_b_16"])
@pytest.mark.parametrize(("image_size", "near"), [(250, 256), (100, 96), (225, 224)])
def test_image_size_that_does_not_fit_is_refused_with_one_that_does(
    model: str, image_size: int, near: int
) -> None:
    with pytest.raises(ValueError, match=f"not {image_size}; try --set data.image_size={near}"):
        models[model].factory(image_size)
    with torch.device("meta"):
        models[model].factory(near)


def described(layer: nn.Module) -> str:
    match layer:
        case nn.Conv2d():
            kind = "depthwise" if layer.groups == layer.in_channels else "conv"
            size = f"{layer.in_channels}-{layer.out_channels}"
            return f"{kind} {size} kernel {layer.kernel_size[0]} stride {layer.stride[0]}"
        case nn.Linear():
            return f"linear {layer.in_features}-{layer.out_features}"
        case nn.BatchNorm2d():
            return f"norm {layer.num_features}"
        case nn.Dropout():
            return f"dropout {layer.p}"
        case nn.MaxPool2d():
            return f"maxpool {layer.kernel_size}"
    return type(layer).__name__.lower()


def layers_used(model: str, schedule: Schedule = "scratch") -> list[str]:
    """The layers that an image of the study passes, in the order in which it does."""
    network = meta_network(model, schedule, 240, 151)
    used: list[str] = []
    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(
                lambda layer, inputs, output: used.append(described(layer))
            )
    assert network(torch.empty(2, 3, 240, 240, device="meta")).shape == (2, 151)
    return used


def test_basic_cnn_is_the_studys() -> None:
    convolutions = [
        layer
        for channels, filters in ((3, 32), (32, 64), (64, 128))
        for layer in (f"conv {channels}-{filters} kernel 3 stride 1", "relu", "maxpool 2")
    ]
    dense = ["flatten", "linear 115200-256", "relu", "dropout 0.5", "linear 256-151"]
    assert layers_used("basic_cnn") == convolutions + dense


def test_residual_cnn_is_the_studys() -> None:
    stages: list[str] = []
    for channels, filters in ((3, 64), (64, 128), (128, 256), (256, 512)):
        for inputs in (channels, filters, filters, filters):  # the last two in the residual block
            stages += [f"conv {inputs}-{filters} kernel 3 stride 1", f"norm {filters}", "relu"]
        stages.append("maxpool 2")
    dense = ["flatten", "linear 115200-1024", "relu", "dropout 0.4"]
    dense += ["linear 1024-512", "relu", "dropout 0.4", "linear 512-151"]
    assert layers_used("residual_cnn") == stages + dense


def test_convmixer_is_the_studys() -> None:
    stem = ["conv 3-256 kernel 10 stride 10", "relu", "norm 256"]
    block = ["depthwise 256-256 kernel 5 stride 1", "relu", "norm 256"]
    block += ["conv 256-256 kernel 1 stride 1", "relu", "norm 256"]
    head = ["adaptiveavgpool2d", "flatten", "linear 256-151"]
    assert layers_used("convmixer") == stem + 8 * block + head


@pytest.mark.parametrize(("model", "features"), [("resnet18", 512), ("vit_b_16", 768)])
def test_frozen_backbones_carry_the_studys_deep_head(model: str, features: int) -> None:
    head = [f"linear {features}-512", "relu", "dropout 0.4"]
    head += ["linear 512-256", "relu", "dropout 0.2", "linear 256-151"]
    assert layers_used(model, "frozen")[-7:] == head
    assert layers_used(model, "staged")[-1] == f"linear {features}-151"
    assert "dropout 0.4" not in layers_used(model, "staged")


def silenced(norm: nn.Module) -> None:
    """Make a normalisation give zero for anything."""
    assert isinstance(norm, nn.BatchNorm2d)
    nn.init.zeros_(norm.weight)
    nn.init.zeros_(norm.bias)


def test_convmixer_adds_the_depthwise_convolution_to_its_input_but_not_the_pointwise() -> None:
    torch.manual_seed(0)
    mixer: Any = ConvMixer(dim=8, depth=2).eval()
    blocks = mixer.blocks
    x = torch.randn(2, 8, 6, 6)
    for depthwise, pointwise in blocks:
        assert not torch.allclose(depthwise(x), x)
        silenced(depthwise.body[2])
        torch.testing.assert_close(depthwise(x), x)
        silenced(pointwise[2])
        assert not pointwise(x).any()
    residuals: list[Any] = [layer for layer in blocks.modules() if isinstance(layer, Residual)]
    assert len(residuals) == 2
    assert all(residual.body[0].groups == 8 for residual in residuals)


def test_residual_cnn_has_one_residual_connection_in_each_stage() -> None:
    with torch.device("meta"):
        stages: Any = models["residual_cnn"].factory(32).stages
    blocks = [[type(part) for part in stage].count(ResidualBlock) for stage in stages]
    assert blocks == [1, 1, 1, 1]
    torch.manual_seed(0)
    block: Any = ResidualBlock(8).eval()
    x = torch.randn(2, 8, 6, 6)
    assert not torch.allclose(block(x), x.relu())
    silenced(block.body[2][1])
    torch.testing.assert_close(block(x), x.relu())


@pytest.mark.parametrize(("model", "classifier"), [("resnet18", "fc"), ("vit_b_16", "heads")])
def test_forward_is_torchvisions(images: Tensor, model: str, classifier: str) -> None:
    torch.manual_seed(0)
    own: Any = models[model].factory(IMAGE_SIZE).eval()
    options = {"image_size": IMAGE_SIZE} if model == "vit_b_16" else {}
    with torch.device("meta"):
        reference = getattr(torchvision.models, model)(**options)
    setattr(reference, classifier, nn.Identity())
    reference.load_state_dict(own.state_dict(), assign=True)
    with torch.inference_mode():
        torch.testing.assert_close(pool(own, images), reference.eval()(images))


def test_zoo_model_with_a_layer_after_the_pooling_gives_that_layers_size(images: Tensor) -> None:
    network = build_network("timm:mobilenetv3_small_050", "scratch", IMAGE_SIZE, 5).eval()
    with torch.inference_mode():
        embeddings = network.pool(images)
        assert network(images).shape == (3, 5)
    assert embeddings.shape == (3, 1024) == (3, network.backbone.num_features)


def test_zoo_transformer_is_made_for_the_image_size() -> None:
    with torch.device("meta"):
        vit: Any = models["timm:vit_tiny_patch16_224"].factory(96)
    assert vit.pos_embed.shape == (1, 1 + 6 * 6, 192)


def test_zoo_is_explained_by_what_its_models_have() -> None:
    assert models["timm:vit_tiny_patch16_224"].explanation == "attention"
    assert models["timm:resnet10t"].explanation == "gradcam"


def test_unknown_zoo_model_suggests_near_ones() -> None:
    with pytest.raises(ValueError, match=r"timm has no model 'resnet181'; did you mean resnet18"):
        models["timm:resnet181"]
    with pytest.raises(
        ValueError, match=r"no weights 'resnet50.a1_in1K'; did you mean resnet50.a1"
    ):
        models["timm:resnet50.a1_in1K"]


def test_networks_with_weights_of_five_dimensions_are_built() -> None:
    """As those of timm's lambda layers; channels last is a layout of four."""

    class Deep(ConvMixer):
        def __init__(self) -> None:
            super().__init__()
            self.flat = nn.Conv2d(3, 3, 3)
            self.deep = nn.Conv3d(1, 1, 3)

    models.add(ModelSpec(name="deep", title="Deep", factory=lambda size: Deep()))
    try:
        network = build_network("deep", "scratch", 32, 2)
    finally:
        models.remove("deep")
    assert network.backbone.flat.weight.is_contiguous(memory_format=torch.channels_last)
    assert network.backbone.deep.weight.ndim == 5
