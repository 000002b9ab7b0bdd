"""Every command once, where nothing but sardiff and what it requires is installed; run by `make test-bare`.

No tests of pytest, which would bring packages along that people do not have.
"""

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

EXTRAS = ("matplotlib", "rioxarray", "diffusers", "pytest")  # that a bare installation has not
COMMANDS = """
doctor
demo --size 128
simulate scene.tif --size 96 --looks 4 --seed 1
inspect scene.tif
despeckle scene.tif clean.tif --quality fast --uncertainty --report
score scene.tif clean.tif --truth scene_truth.tif
fill scene_truth.tif whole.tif --method harmonic --filled --report
deblur scene_truth.tif sharp.tif --blur gaussian:1 --steps 2 --report
fuse scene.tif scene_truth.tif fused.tif --method pyramid --mask --report
report scene.tif clean.tif --output again.html
train scene_truth.tif --out prior --minutes 0.01 --patch 48 --batch 2 --widths 8,16
""".strip().splitlines()
FILES = (
    *("demo/report.html", "scene_truth.tif", "clean.tif", "clean_std_db.tif", "clean.html"),
    *("whole.tif", "whole_filled.tif", "whole.html", "sharp.tif", "sharp.html"),
    *("fused.tif", "fused_mask.tif", "fused.html", "again.html", "prior.safetensors", "prior.json"),
)


def main() -> int:
    """Run them; 1 if one fails."""
    there = [name for name in EXTRAS if find_spec(name) is not None]
    if there:
        print(f"This environment is not bare: it has {', '.join(there)}.", file=sys.stderr)
        return 1
    sardiff = Path(sys.executable).with_name("sardiff")
    environ = {**os.environ, "PYTHONWARNINGS": "error"}
    with tempfile.TemporaryDirectory() as folder:
        for command in COMMANDS:
            done = subprocess.run(
                [str(sardiff), *command.split()], cwd=folder, env=environ, capture_output=True, text=True, check=False
            )
            print(f"{'well' if done.returncode == 0 else 'FAILED'}  sardiff {command}", flush=True)
            if done.returncode:
                print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
                return 1
        missing = [name for name in FILES if not (Path(folder) / name).is_file()]
        if missing:
            print(f"Not written: {', '.join(missing)}", file=sys.stderr)
            return 1
    print(f"{len(COMMANDS)} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
