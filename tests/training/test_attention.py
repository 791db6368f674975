"""How attention is computed in training."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.profiler import ProfilerActivity, profile

from benchmark.training.attention import attention_for


@pytest.mark.parametrize(
    ("side", "is_bfloat16", "plain"), [(64, True, True), (224, True, False), (64, False, False)]
)
def test_small_images_need_no_fused_attention_in_bfloat16(
    side: int, is_bfloat16: bool, plain: bool
) -> None:
    dtype = torch.bfloat16 if is_bfloat16 else torch.float32
    query = torch.rand(1, 2, 5, 8, dtype=dtype)
    images = torch.rand(1, 3, side, side)
    attention = attention_for(images, is_bfloat16=is_bfloat16)
    with profile(activities=[ProfilerActivity.CPU]) as profiled, attention:
        found = scaled_dot_product_attention(query, query, query)
    used = {event.key for event in profiled.key_averages()}
    assert ("aten::_scaled_dot_product_attention_math" in used) == plain
    expected = scaled_dot_product_attention(query.float(), query.float(), query.float())
    torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0.02)
