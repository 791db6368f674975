"""What is shown as one line in place of a traceback."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb

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


_ROOM = "make room, then type the same again"
_RIGHTS = "make it writable, or name another place"
_DISK = "see to that disk, or to the network that it is reached by"
_MACHINE = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EROFS: _RIGHTS,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.ENAMETOOLONG: "write a shorter name",
    errno.ELOOP: "that link leads to itself; name another place",
    errno.EIO: _DISK,
    errno.ESTALE: _DISK,
}
"""What to do about errors of the operating system."""


def of_the_machine(error: BaseException | None) -> UserError | None:
    """Tell a full disk, wherever it was met, and files that may not be read or written."""
    told = None
    while error is not None and not isinstance(error, UserError | PluginError):
        if isinstance(error, OSError) and error.errno in _MACHINE:
            name = error.filename2 or error.filename  # of a copy, the second is written
            file = f": {name}" if name else ""
            if file or told is None:
                told = UserError(f"{error.strerror}{file}; {_MACHINE[error.errno]}")
        elif "disk is full" in str(error):  # SQLite's words
            told = UserError(f"the disk of MLflow's store is full; {_ROOM}")
        elif "No space left on device" in str(error):  # of libraries with errors of their own
            told = UserError(f"No space left on device; {_ROOM}")
        error = error.__cause__ or error.__context__
    return told


def is_ours(module: str) -> bool:
    """Whether a module is this package's own."""
    return module.partition(".")[0] == __package__


@contextmanager
def code_of(what: str, module: str, *, called_directly: bool = True) -> Iterator[None]:
    """Name whose code fails in the ``with`` block, unless it is this package's own.

    Args:
        what: Such as ``model my_net``.
        module: Where the code is.
        called_directly: Whether the block does nothing but call it, so that what fails below it,
            such as scikit-learn, is its part too. Otherwise only exceptions that passed through
            its package are.

    Raises:
        PluginError: In place of any exception but a `UserError` and what ends the program.
    """
    package = module.partition(".")[0]
    try:
        yield
    except (UserError, PluginError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # such as SystemExit, or what pytest.skip raises
        if is_ours(module) or not (called_directly or _passed_through(error, package)):
            raise
        raise PluginError(f"{what} of the plugin {module} failed: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """An error's kind and the first line of its message, which may be long or empty."""
    kind, message = type(error).__name__, masked(str(error)).strip().partition("\n")[0]
    told = isinstance(error, UserError | PluginError | NotImplementedError)
    return message if told and message else f"{kind}: {message}" if message else kind


def _passed_through(error: BaseException, package: str) -> bool:
    modules = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    return any(module.partition(".")[0] == package for module in modules)
