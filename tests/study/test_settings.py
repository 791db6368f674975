from benchmark.study.config import Config, override, setting_keys, setting_values
from benchmark.study.settings import settings


def test_every_setting_says_what_it_does_and_what_it_takes() -> None:
    listed = settings()
    assert [one.key for one in listed] == setting_keys()
    for one in listed:
        assert one.meaning.endswith((".", ")")), one.key
        assert one.range, one.key


def test_ranges_are_those_that_are_enforced() -> None:
    ranges = {one.key: one.range for one in settings()}
    assert ranges["train.epochs"] == "1 to 100,000"
    assert ranges["train.lr"] == "above 0 to 100"
    assert ranges["train.patience"] == "1 to 100,000, or none"
    assert ranges["data.classes"] == "from 2, or none"
    assert ranges["train.compile"] == "true, false"
    assert ranges["weights"] == "imagenet, demo"
    assert ranges["data.source"] == "text"


def test_none_is_taken_where_the_range_says_so() -> None:
    keys = [one.key for one in settings() if one.range.endswith("or none")]
    assert {"train.patience", "data.classes"} <= {*keys}
    for key in keys:
        assert setting_values(override(Config(), [f"{key}=none"]))[key] is None
