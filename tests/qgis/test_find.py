"""Where the plugin looks for sardiff, and what it says where there is none."""

from pathlib import Path

import pytest
from sardiff_qgis.find import NotFoundError, find, how_to_install


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def none(*args, **options):
    return None


def test_the_setting_comes_first_then_the_variable_then_path_then_the_usual_folders(tmp_path):
    setting, variable = touch(tmp_path / "a/bin/python3"), touch(tmp_path / "b/bin/python")
    usual = touch(tmp_path / "home/.local/bin/sardiff")
    environ = {"SARDIFF_PYTHON": str(variable), "PATH": "/bin"}
    look = {"home": tmp_path / "home", "windows": False}
    assert find(str(setting), environ, **look, which=lambda *a, **k: "/bin/sardiff").words == (
        *(str(setting), "-m", "sardiff"),
    )
    assert find("", environ, **look, which=lambda *a, **k: "/bin/sardiff").words[0] == str(variable)
    assert find("", {"PATH": "/bin"}, **look, which=lambda *a, path: f"{path}/sardiff").words == ("/bin/sardiff",)
    assert find("", {}, **look, which=none).words == (str(usual),)


@pytest.mark.parametrize(
    ("made", "said", "words"),
    [
        ("env/bin/python", "env", ("env/bin/python", "-m", "sardiff")),
        ("env/bin/python", "env/bin/python", ("env/bin/python", "-m", "sardiff")),
        ("env/bin/sardiff", "env/bin/sardiff", ("env/bin/sardiff",)),
    ],
)
def test_a_python_a_command_or_a_folder_may_be_named(tmp_path, made, said, words):
    touch(tmp_path / made)
    found = find(str(tmp_path / said), {}, home=tmp_path, windows=False, which=none)
    assert found.words == (str(tmp_path / words[0]), *words[1:])


@pytest.mark.parametrize(
    "place",
    [
        ".sardiff/bin/sardiff",
        ".local/share/uv/tools/sardiff/bin/sardiff",
        ".local/share/pipx/venvs/sardiff/bin/sardiff",
        "miniforge3/envs/sardiff/bin/sardiff",
        "Library/Python/3.12/bin/sardiff",
    ],
)
def test_usual_folders_on_linux_and_macos(tmp_path, place):
    made = touch(tmp_path / place)
    assert find("", {}, home=tmp_path, windows=False, which=none).words == (str(made),)


def test_usual_folders_on_windows(tmp_path):
    environ = {"APPDATA": str(tmp_path / "AppData/Roaming")}
    made = touch(tmp_path / "AppData/Roaming/uv/tools/sardiff/Scripts/sardiff.exe")
    assert find("", environ, home=tmp_path, windows=True, which=none).words == (str(made),)


@pytest.mark.parametrize(("setting", "environ"), [("/nowhere", {}), ("", {"SARDIFF_PYTHON": "/nowhere"})])
def test_what_was_said_is_never_passed_over(tmp_path, setting, environ):
    touch(tmp_path / ".local/bin/sardiff")
    with pytest.raises(NotFoundError, match="names /nowhere, and there is no sardiff there"):
        find(setting, environ, home=tmp_path, windows=False, which=none)


@pytest.mark.parametrize(
    ("windows", "first"), [(False, "python3 -m venv ~/.sardiff"), (True, "py -m venv /home/me/.sardiff")]
)
def test_where_there_is_none_two_commands_are_said_and_they_make_what_is_looked_for(tmp_path, windows, first):
    said = how_to_install(Path("/home/me"), windows)
    commands = [line.strip() for line in said.splitlines() if line.startswith("    ")]
    assert len(commands) == 2
    assert commands[0] == first
    assert commands[1].endswith("-m pip install .")
    made = touch(tmp_path / ".sardiff" / ("Scripts/sardiff.exe" if windows else "bin/sardiff"))
    assert find("", {}, home=tmp_path, windows=windows, which=none).words == (str(made),)
    made.unlink()
    with pytest.raises(NotFoundError, match="two commands"):
        find("", {}, home=tmp_path, windows=windows, which=none)
