"""What of QGIS's environment the child sees."""

from sardiff_qgis.environment import child_environment


def test_qgis_keeps_its_proj_gdal_and_python_to_itself():
    qgis = {
        "PROJ_LIB": "x", "PROJ_DATA": "x", "PROJ_NETWORK": "ON", "GDAL_DATA": "x", "GDAL_DRIVER_PATH": "x",
        "PYTHONHOME": "x", "PYTHONPATH": "x", "PythonStartup": "x", "__PYVENV_LAUNCHER__": "x",
    }  # fmt: skip
    own = {"PATH": "/bin", "HOME": "/home/me", "OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": "0", "MYPROJ_X": "1"}
    assert child_environment({**qgis, **own}) == {**own, "PYTHONUTF8": "1"}
