"""The plugin: it brings a provider and no window of its own."""

from __future__ import annotations

from qgis.core import QgsApplication

from .provider import SardiffProvider

__all__ = ["SardiffPlugin"]


class SardiffPlugin:
    """What QGIS loads; `qgis_process` asks for `initProcessing` alone."""

    def __init__(self) -> None:
        self.provider: SardiffProvider | None = None

    def initProcessing(self) -> None:
        """Add the algorithms to the toolbox."""
        self.provider = SardiffProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self) -> None:
        """Begin, in the program with windows."""
        self.initProcessing()

    def unload(self) -> None:
        """Take the algorithms away again."""
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None
