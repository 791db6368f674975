"""What is shown as one line in place of a traceback."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

_SECRET = re.compile(
    r"""(?P<web>\bhttps?://)[^\s/@]+(?=@)            # whoever asks a web server
    |(?P<user>\b[\w+.-]+://[^\s:/@?\#]*:)\S*(?=@)        # a database's password, slashes and all
    |(?P<name>[?&;][\w-]*(?:passw|pwd|token|secret|key|odbc)[\w-]*=)[^\s&;'"),]+""",
    re.VERBOSE | re.IGNORECASE,
)


def masked(text: str) -> str:
    """Write ``***`` for the passwords of the addresses in a text: none is shown, none is kept."""
    return _SECRET.sub(lambda found: f"{found['web'] or found['user'] or found['name']}***", text)


class UserError(ValueError):
    """Something that the user can mend; the message says what, where, and what to type next.

    The command line shows it as one line, with exit code 2. Any other exception is a fault of ours.
    """

    def __init__(self, message: str) -> None:
        """Mask the message's passwords."""
        super().__init__(masked(message))


class PluginError(RuntimeError):
    """An exception out of a plugin's code; the message names the plugin.

    The command line shows it as one line, with exit code 1; ``bench --traceback`` shows all of it.
    """


@contextmanager
def code_of(what: str, module: str) -> Iterator[None]:
    """Name whose code fails in the ``with`` block, unless it is this package's own.

    Args:
        what: Such as ``model my_net``.
        module: Where the code is.

    Raises:
        PluginError: In place of any exception but a `UserError`.
    """
    try:
        yield
    except (UserError, PluginError):
        raise
    except Exception as error:
        if module.partition(".")[0] == __package__:
            raise
        reason = f"{type(error).__name__}: {error}"
        raise PluginError(f"{what} of the plugin {module} failed: {reason}") from error


def one_line(error: BaseException) -> str:
    """An error's kind and the first line of its message, which may be long or empty."""
    kind, message = type(error).__name__, masked(str(error)).strip().partition("\n")[0]
    told = isinstance(error, UserError | PluginError | NotImplementedError)
    return message if told and message else f"{kind}: {message}" if message else kind
