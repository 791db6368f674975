import pytest
import torch
from torch.nn.functional import cross_entropy

from benchmark.study.recipe import RecipeConfig
from benchmark.training.images import Examples
from benchmark.training.loss import Loss, Targets

ROWS = torch.arange(6)
LOGITS = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))


def make(examples: Examples, **recipe: object) -> Loss:
    return Loss(RecipeConfig.model_validate(recipe), examples)


def test_the_studys_loss_is_cross_entropy(examples: Examples) -> None:
    loss = make(examples)
    targets = loss.targets(ROWS)
    assert torch.equal(targets.labels, examples.labels[ROWS])
    assert torch.equal(loss(LOGITS, targets), cross_entropy(LOGITS, targets.labels))
    images = examples.batch(ROWS)
    assert loss.mix(images, targets) == (images, targets)


def test_labels_are_smoothed(examples: Examples) -> None:
    loss = make(examples, label_smoothing=0.1)
    labels = examples.labels[ROWS]
    expected = cross_entropy(LOGITS, labels, label_smoothing=0.1)
    assert torch.equal(loss(LOGITS, loss.targets(ROWS)), expected)


def test_a_rare_class_weighs_as_much_as_a_frequent_one(examples: Examples) -> None:
    train = examples.rows("train")
    labels = examples.labels[train]
    rare = torch.cat([train[labels == 0][:2], train[labels != 0]])
    examples._rows["train"] = rare
    loss = make(examples, class_weights=True)
    uniform = torch.zeros(len(rare), 3, requires_grad=True)
    torch.autograd.backward(loss(uniform, loss.targets(rare)))
    assert uniform.grad is not None
    rows_of = [examples.labels[rare] == label for label in range(3)]
    pulls = [float(uniform.grad[rows, label].sum()) for label, rows in enumerate(rows_of)]
    assert pulls == pytest.approx([pulls[0]] * 3)


def test_a_teacher_pulls_by_its_weight_at_its_temperature(examples: Examples) -> None:
    logits = torch.randn(len(examples.inputs), 3)
    examples.teacher = logits.softmax(1)
    loss = make(examples, teacher_weight=0.7, temperature=2)
    soft = (logits[ROWS] / 2).softmax(1)
    expected = 0.3 * cross_entropy(LOGITS, examples.labels[ROWS])
    expected += 0.7 * 4 * cross_entropy(LOGITS / 2, soft)
    assert float(loss(LOGITS, loss.targets(ROWS))) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
@pytest.mark.parametrize("taught", [False, True])
def test_images_and_targets_are_mixed_alike(examples: Examples, kind: str, taught: bool) -> None:
    torch.manual_seed(0)
    if taught:
        examples.teacher = torch.eye(3)[examples.labels]
    loss = make(examples, **{kind: 1.0})
    # Each image is filled with its label's one-hot vector: its mean is what it shows of each.
    rows = torch.tensor([0, 14, 28, 1, 15, 29])
    images = torch.eye(3)[examples.labels[rows]][:, :, None, None].expand(-1, -1, 32, 32)
    mixed, targets = loss.mix(images.contiguous(), loss.targets(rows))
    assert not torch.equal(mixed, images)
    torch.testing.assert_close(mixed.mean((2, 3)), targets.labels)
    if taught:
        assert targets.teacher is not None
        torch.testing.assert_close(targets.teacher, targets.labels)
    assert loss(LOGITS, targets).isfinite()


def test_both_mixes_take_turns(examples: Examples) -> None:
    torch.manual_seed(0)
    loss = make(examples, mixup=1, cutmix=1)
    images = torch.rand(6, 3, 32, 32)
    targets = Targets(examples.labels[ROWS], None)
    pasted = {bool((loss.mix(images, targets)[0] == images).any()) for _ in range(20)}
    assert pasted == {True, False}
