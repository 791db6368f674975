import pytest

from registry.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [bold]text[/] $x$", "plain [bold]text[/] $x$"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\r\tand a tab", "two\\nlines\\r\\tand a tab"),
        ("right\u202eto left", "right\\u202eto left"),
        ("\u2028\x00\x9b", "\\u2028\\x00\\x9b"),
        ("half \ud83d", "half \\ud83d"),
        ("日本語 Café 😀", "日本語 Café 😀"),
        ("👨‍👩‍👧 می‌خواهم", "👨‍👩‍👧 می‌خواهم"),  # joiners
        (ValueError("a\x07b"), "a\\x07b"),
    ],
)
def test_what_would_move_the_cursor_is_written_as_python_writes_it(
    text: object, shown: str
) -> None:
    assert printable(text) == shown


def test_lines_may_be_kept() -> None:
    assert printable("a\n\x1bb\n", keep="\n") == "a\n\\x1bb\n"
