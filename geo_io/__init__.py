"""Files and pixel grids: rasters in and out with their georeferencing, whatever its kind."""
