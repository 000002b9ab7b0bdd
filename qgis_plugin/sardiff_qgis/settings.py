"""The one setting, in the Processing options: which sardiff to start."""

from __future__ import annotations

import os

from .find import Installation, find

__all__ = ["add_settings", "installation", "remove_settings"]

NAME = "SARDIFF_PYTHON"
GROUP = "sardiff"


def add_settings(icon: object) -> None:
    """Show the setting under Settings > Options > Processing > Providers."""
    from processing.core.ProcessingConfig import ProcessingConfig, Setting

    ProcessingConfig.settingIcons[GROUP] = icon
    ProcessingConfig.addSetting(
        Setting(
            GROUP,
            NAME,
            "Python of sardiff (empty: look for it)",
            "",
            valuetype=Setting.FILE,
            placeholder="such as ~/.sardiff/bin/python",
        )
    )
    ProcessingConfig.readSettings()


def remove_settings() -> None:
    """Take it away with the provider."""
    from processing.core.ProcessingConfig import ProcessingConfig

    ProcessingConfig.removeSetting(NAME)


def installation() -> Installation:
    """Return the sardiff to start.

    Raises
    ------
    NotFoundError
        In words that tell what to do.
    """
    from processing.core.ProcessingConfig import ProcessingConfig

    return find(str(ProcessingConfig.getSetting(NAME) or ""), os.environ)
