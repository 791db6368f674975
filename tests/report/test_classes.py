import pandas as pd

from benchmark.report.classes import Confusion, class_scores, confusions


def predictions(*pairs: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["true", "predicted"])


def test_pairs_count_both_ways_and_the_more_frequent_comes_first() -> None:
    table = predictions(
        ("raichu", "pikachu"),
        ("raichu", "pikachu"),
        ("pikachu", "raichu"),
        ("pikachu", "pikachu"),
        ("abra", "pikachu"),
        ("abra", "abra"),
    )
    first, second = confusions(table, most=5)
    assert first == Confusion(
        first="raichu",
        second="pikachu",
        first_taken=2,
        second_taken=1,
        first_images=2,
        second_images=2,
    )
    assert (second.first, second.second, second.first_taken) == ("abra", "pikachu", 1)
    assert confusions(table, most=1) == [first]


def test_without_mistakes_there_are_no_pairs() -> None:
    assert confusions(predictions(("a", "a"), ("b", "b")), most=5) == []


def test_the_hardest_class_comes_first_whatever_its_size() -> None:
    one = predictions(("easy", "easy"), ("hard", "easy"), ("hard", "hard"), ("hard", "easy"))
    other = predictions(("easy", "easy"), ("hard", "easy"), ("hard", "easy"), ("hard", "hard"))
    scores = class_scores({"one": one, "other": other})
    assert scores.index.tolist() == ["hard", "easy"]
    assert scores.loc["hard"].to_dict() == {"images": 3, "one": 1, "other": 1}
    assert scores.loc["easy"].to_dict() == {"images": 1, "one": 1, "other": 1}
