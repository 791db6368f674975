"""The registry: names and globs find what is meant or say what is near."""

from dataclasses import dataclass

import pytest

from registry.core import Registry, match_names, near

NAMES = ["basic_cnn", "resnet18", "resnet50", "vit_b_16"]


@dataclass(frozen=True)
class Item:
    name: str
    value: int = 0


def registry_of(*names: str) -> Registry[Item]:
    items: Registry[Item] = Registry("item", lambda: None)
    for name in names:
        items.add(Item(name))
    return items


def test_spec_is_found_by_name_and_in_order() -> None:
    items = registry_of("b", "a", "c")
    assert items["a"] == Item("a")
    assert [item.name for item in items] == ["b", "a", "c"]


def test_clash_of_names_is_an_error_and_the_first_stays() -> None:
    items = registry_of("a")
    with pytest.raises(ValueError, match="two items are called 'a'; rename one"):
        items.add(Item("a", 2))
    assert items["a"].value == 0


def test_removed_spec_is_gone_and_its_name_free() -> None:
    items = registry_of("a", "b")
    items.remove("a")
    assert [item.name for item in items] == ["b"]
    items.add(Item("a", 2))
    assert items["a"].value == 2


def test_unknown_name_suggests_near_ones() -> None:
    with pytest.raises(ValueError, match=r"no item is called 'resnet81'; did you mean resnet18"):
        registry_of(*NAMES)["resnet81"]


def test_open_family_is_resolved_after_the_registered() -> None:
    def resolve(name: str) -> Item | None:
        return Item(name, 7) if name.startswith("zoo:") else None

    items: Registry[Item] = Registry("item", lambda: None, resolve)
    items.add(Item("zoo:known"))
    assert items["zoo:any"] == Item("zoo:any", 7)
    assert items["zoo:known"] == Item("zoo:known")
    assert [item.name for item in items] == ["zoo:known"]
    with pytest.raises(ValueError, match="no item is called 'other'"):
        items["other"]


def test_definitions_are_loaded_once_when_first_asked_for() -> None:
    loads: list[str] = []

    def load() -> None:
        loads.append("load")
        items.add(Item("late"))
        assert items["late"]  # a plugin may look things up while it registers

    items: Registry[Item] = Registry("item", load)
    assert loads == []
    assert items["late"] == Item("late")
    assert list(items) == [Item("late")]
    assert loads == ["load"]


def test_failed_load_is_tried_again_not_taken_for_empty() -> None:
    def load() -> None:
        raise ValueError("broken plugin")

    items: Registry[Item] = Registry("item", load)
    for _ in range(2):
        with pytest.raises(ValueError, match="broken plugin"):
            list(items)


@pytest.mark.parametrize(
    ("globs", "found"),
    [
        (["resnet18"], ["resnet18"]),
        (["resnet*"], ["resnet18", "resnet50"]),
        (["vit*", "basic_cnn"], ["basic_cnn", "vit_b_16"]),
        (["*"], NAMES),
        (["resnet18", "res*18", "resnet18"], ["resnet18"]),
        (["resnet[15]?"], ["resnet18", "resnet50"]),
    ],
)
def test_names_and_globs_are_matched_in_the_order_of_the_known(
    globs: list[str], found: list[str]
) -> None:
    assert match_names(globs, NAMES, "model") == found


@pytest.mark.parametrize("globs", [["swin*"], ["resnet*", "swin*"], ["Resnet18"]])
def test_glob_that_matches_nothing_is_an_error(globs: list[str]) -> None:
    with pytest.raises(ValueError, match=f"no model is called '{globs[-1][:2]}.*;"):
        match_names(globs, NAMES, "model")


def test_near_names_are_suggested_nearest_first() -> None:
    assert near("resnet19", NAMES) == "did you mean resnet18 or resnet50?"
    assert near("basic-cnn", NAMES) == "did you mean basic_cnn?"


def test_without_a_near_name_the_first_few_are_listed() -> None:
    assert near("?", NAMES) == "there are basic_cnn, resnet18, resnet50, vit_b_16"
    many = [f"m{i:02}" for i in range(15)]
    assert near("?", many) == f"there are {', '.join(many[:12])} and 3 more"
