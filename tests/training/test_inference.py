from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.data.prepared import PreparedData
from benchmark.study.config import TrainConfig
from benchmark.training.images import image_examples
from benchmark.training.inference import (
    classify,
    embed,
    load_embeddings,
    map_examples,
    pool_examples,
    save_embeddings,
)
from benchmark.training.network import build_network
from registry.specs import Schedule

CONFIG = TrainConfig(precision="float32")
CPU = torch.device("cpu")


@pytest.mark.parametrize(("schedule", "size"), [("staged", 512), ("frozen", 256)])
def test_embeddings_are_what_enters_the_last_linear_layer(
    data: PreparedData, schedule: Schedule, size: int
) -> None:
    network = build_network("resnet18", schedule, 32, 3).eval()
    entered: list[torch.Tensor] = []
    network.classifier[-1].register_forward_pre_hook(lambda module, args: entered.append(args[0]))
    examples = image_examples(data, CPU)
    rows = examples.rows("test")
    with torch.no_grad():
        logits = network(examples.batch(rows))
    embeddings = embed(network, examples, rows, CONFIG)
    assert embeddings.shape == (len(rows), size)
    np.testing.assert_allclose(embeddings, entered[0].numpy(), rtol=1e-4, atol=1e-5)
    probabilities = classify(network, embeddings)
    np.testing.assert_allclose(probabilities, logits.softmax(1).numpy(), rtol=1e-4, atol=1e-5)


def test_the_deep_heads_embeddings_are_its_second_relus_output(data: PreparedData) -> None:
    network = build_network("resnet18", "frozen", 32, 3).eval()
    relus = [module for module in network.classifier if isinstance(module, torch.nn.ReLU)]
    assert len(relus) == 2
    captured: list[torch.Tensor] = []
    relus[1].register_forward_hook(lambda module, args, output: captured.append(output))
    examples = image_examples(data, CPU)
    embeddings = embed(network, examples, examples.rows("val"), CONFIG)
    np.testing.assert_array_equal(embeddings, captured[0].numpy())


def test_embeddings_from_pooled_features_equal_those_from_images(data: PreparedData) -> None:
    network = build_network("resnet18", "frozen", 32, 3)
    images = image_examples(data, CPU)
    rows = images.rows("test")
    pooled = pool_examples(network, images, CONFIG)
    np.testing.assert_allclose(
        embed(network, pooled, rows, CONFIG), embed(network, images, rows, CONFIG), atol=1e-5
    )


def test_stored_embeddings_come_back(tmp_path: Path) -> None:
    embeddings = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    save_embeddings(tmp_path / "e.safetensors", embeddings, inference_ms=1.5)
    loaded, inference_ms = load_embeddings(tmp_path / "e.safetensors")
    np.testing.assert_array_equal(loaded, embeddings)
    assert inference_ms == 1.5


@pytest.mark.parametrize("model", ["residual_cnn", "resnet18", "vit_b_16"])
def test_weights_and_batches_lie_channels_last(data: PreparedData, model: str) -> None:
    images = image_examples(data, CPU)
    laid_out = [images.batch(images.rows("train")[:2])]
    laid_out += build_network(model, "scratch", 32, 3).parameters()
    four_dimensional = [tensor for tensor in laid_out if tensor.ndim == 4]
    assert len(four_dimensional) > 1
    assert all(t.is_contiguous(memory_format=torch.channels_last) for t in four_dimensional)


def test_a_processor_scores_few_images_at_once_each_of_them_in_its_place(
    data: PreparedData,
) -> None:
    sizes: list[int] = []

    def means(images: torch.Tensor) -> torch.Tensor:
        sizes.append(len(images))
        return images.mean((1, 2, 3))[:, None]

    examples = image_examples(data, CPU)
    rows = torch.arange(len(examples.inputs)).repeat(10)[:100]
    found = map_examples(means, examples, rows, CONFIG)
    assert sizes == [25, 25, 25, 25]
    torch.testing.assert_close(found[:, 0], examples.batch(rows).mean((1, 2, 3)))
