"""Turns the entry points of installed packages into registered specs, or into why they are not."""

from __future__ import annotations

import logging
from importlib.metadata import entry_points

from registry.errors import PluginError, UserError, one_line

GROUP = "bench.plugins"
logger = logging.getLogger(__name__)


class Plugins:
    """The modules of the entry-point group ``bench.plugins``; importing one registers its parts.

    Attributes:
        broken: What was wrong with those that could not be loaded.
    """

    def __init__(self) -> None:
        self.broken: list[PluginError] = []
        self._begun = False

    def load(self) -> None:
        """Import each, once a process; of one that fails, nothing stays registered.

        It takes nothing from those who do not use it: it is logged as a warning.
        """
        from registry.heads import heads, load_heads
        from registry.models import load_models, models

        load_models()  # no plugin can take a name of theirs
        load_heads()
        if self._begun:  # a plugin may look names up while it registers
            return
        self._begun = True
        for entry_point in entry_points(group=GROUP):
            try:
                with models.undone_if_it_fails(), heads.undone_if_it_fails():
                    before = len([*models, *heads])
                    entry_point.load()
                    if entry_point.attr and before == len([*models, *heads]):
                        raise UserError(
                            f"{entry_point.attr} is not called, and nothing is registered; name "
                            f"the module alone, {entry_point.module}, and register in it"
                        )
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # such as SystemExit, or what pytest.skip raises
                broken = PluginError(
                    f"plugin {entry_point.name} ({entry_point.value}) cannot be loaded: "
                    f"{one_line(error)}; mend it or uninstall its package"
                )
                broken.__cause__ = error
                self.broken.append(broken)
                logger.warning("%s", broken)


plugins = Plugins()
