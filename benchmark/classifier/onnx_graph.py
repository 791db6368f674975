"""Turns a network, and a head on its embeddings, into one ONNX graph, and that into answers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.training.network import Network
from registry import HeadSpec
from registry.errors import UserError, one_line
from registry.weights import quiet

IMAGES, PROBABILITIES, EMBEDDINGS = "images", "probabilities", "embeddings"
"""What goes into a graph, and what comes out of it."""
OPSET = {"": 20, "ai.onnx.ml": 3}
IR_VERSION = 10
"""That of `OPSET`: graphs are put together only where it is the same."""
_PACKAGES = ("onnx", "onnxruntime", "onnxscript", "skl2onnx", "onnxmltools")


class Graph(nn.Module):
    """Pixels as decoded, (N, S, S, 3) uint8, RGB -> probabilities (N, C), embeddings (N, F)."""

    def __init__(self, network: Network) -> None:
        """Wrap a network, of which its mean and std are part."""
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scale the pixels to [0, 1] and classify them."""
        embeddings = self.network.embed(images.permute(0, 3, 1, 2).float() / 255)
        return self.network.classifier[-1](embeddings).softmax(1), embeddings


def check_packages() -> None:
    """Make sure that the packages of the extra ``export`` are there.

    Raises:
        UserError: One is not.
    """
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        raise UserError(
            f"--format onnx needs the export extra ({', '.join(missing)}); "
            "type: uv sync --inexact --extra export"
        )


def network_graph(network: Network, image_size: int) -> Any:
    """Make the graph of a network, for batches of any size.

    Args:
        network: On the processor, in evaluation mode.
        image_size: Side of its images in pixels.

    Returns:
        ONNX's ModelProto.
    """
    images = torch.zeros(2, image_size, image_size, 3, dtype=torch.uint8)
    with torch.no_grad(), warnings.catch_warnings(), quiet("torch.onnx", "onnxscript"):
        warnings.simplefilter("ignore")
        sizes = ({0: torch.export.Dim("batch")},)
        program = torch.export.export(Graph(network), (images,), dynamic_shapes=sizes, strict=False)
        written = torch.onnx.export(
            program,
            dynamo=True,  # by onnxscript: the exporter that does without is deprecated
            input_names=[IMAGES],
            output_names=[PROBABILITIES, EMBEDDINGS],
            opset_version=OPSET[""],
            verbose=False,
        )
    assert written is not None
    return written.model_proto


def with_head(network: Any, spec: HeadSpec, head: Any, num_features: int) -> Any:
    """Put a head in place of the last layer of a network's graph.

    Args:
        network: From `network_graph`.
        spec: Of the head.
        head: Fitted.
        num_features: Of its embeddings.

    Raises:
        UserError: No converter takes such a head.
    """
    from onnx import compose

    if getattr(head, "metric", None) == "cosine":
        raise UserError(
            f"the head {spec.name} cannot be exported to ONNX: skl2onnx writes another distance "
            "than cosine (measured: probabilities off by up to 0.9); type: --format safetensors"
        )
    try:
        converted = compose.add_prefix(_converted(head, num_features), "head_")
    except Exception as error:  # the converters raise many kinds on what they do not know
        raise UserError(
            f"no converter to ONNX takes the head {spec.name} ({one_line(error)}); "
            "type: --format safetensors"
        ) from error
    for graph in (network, converted):
        graph.ir_version = IR_VERSION
        del graph.opset_import[:]
        for domain, version in OPSET.items():
            graph.opset_import.add(domain=domain, version=version)
    merged = compose.merge_models(
        network,
        converted,
        io_map=[(EMBEDDINGS, f"head_{EMBEDDINGS}")],
        outputs=[f"head_{PROBABILITIES}", EMBEDDINGS],
    )
    return _renamed(merged, f"head_{PROBABILITIES}", PROBABILITIES)


def _converted(head: Any, num_features: int) -> Any:
    if type(head).__module__.startswith("xgboost."):
        from onnxmltools import convert_xgboost as convert
        from onnxmltools.convert.common.data_types import FloatTensorType

        more: dict[str, Any] = {}
    else:
        from skl2onnx import convert_sklearn as convert
        from skl2onnx.common.data_types import FloatTensorType

        more = {"options": {id(head): {"zipmap": False}}, "target_opset": OPSET}
    inputs = [(EMBEDDINGS, FloatTensorType([None, num_features]))]
    return convert(head, initial_types=inputs, **more)


def _renamed(model: Any, output: str, name: str) -> Any:
    """Give an output another name, which a node of the network's own last layer may have had."""
    from onnx import helper

    graph = model.graph
    graph.node.append(helper.make_node("Identity", [output], [name]))
    next(one for one in graph.output if one.name == output).name = name
    return model


def open_onnx(
    file: Path,
) -> Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Open a file in ONNX Runtime, with as many threads as torch has.

    Returns:
        Pixels (N, S, S, 3) -> probabilities (N, C) and embeddings (N, F).
    """
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    session = InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def run(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        probabilities, embeddings = session.run([PROBABILITIES, EMBEDDINGS], {IMAGES: pixels})
        return probabilities, embeddings

    return run
