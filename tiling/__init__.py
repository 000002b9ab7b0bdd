"""Windows of anything array-like: tiles that overlap, weights that sum to one, noise that belongs to places."""

from tiling import field
from tiling.grid import Layout, Span, Tile, Window, read_window
from tiling.map import Apply, TileError, map_tiles
from tiling.stream import stream_tiles

__all__ = [
    "Apply",
    "Layout",
    "Span",
    "Tile",
    "TileError",
    "Window",
    "field",
    "map_tiles",
    "read_window",
    "stream_tiles",
]
