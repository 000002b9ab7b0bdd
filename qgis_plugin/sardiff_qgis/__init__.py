"""sardiff in the Processing toolbox of QGIS. It starts the program `sardiff` and holds none of it.

Copyright (C) 2026 The sardiff authors. This plugin is free software; you can redistribute it and/or modify it under the
terms of the GNU General Public License as published by the Free Software Foundation; either version 2 of the License,
or (at your option) any later version. See LICENSE. The program it starts has a licence of its own (MIT).
"""

# Modules without `qgis` in them are imported by tests where there is no QGIS, so this one has none either.

from __future__ import annotations

from typing import Any


def classFactory(iface: Any) -> Any:
    """Return the plugin."""
    from .plugin import SardiffPlugin

    return SardiffPlugin()
