"""Seeds, the hypothesis profile, and where shared data lies."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile(
    "sardiff", deadline=None, derandomize=True, max_examples=25, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("sardiff")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data; set SARDIFF_DATA, or keep it beside the repository as ../shared/data."""
    default = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("SARDIFF_DATA", default))
    if not (folder / "README.md").is_file():
        pytest.skip(f"no shared data at {folder}: set SARDIFF_DATA")
    return folder
