"""The GPU computes what the CPU computes."""

import numpy as np
import pytest
import torch

from sardiff.simulate import speckle
from sardiff.tasks.despeckle import Despeckle, DespeckleTiles
from tiling import Layout, stream_tiles

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.mark.parametrize("method", ["one-pass", "scoring", "posterior", "moment", "sar-dps", "diffpir", "gibbs"])
def test_a_gpu_gives_the_image_of_a_cpu(method):
    scene = 0.1 * speckle((1, 128, 160), 1.0, np.random.default_rng(0))
    settings = Despeckle(looks=1.0, method=method, steps=None if method == "one-pass" else 2)
    images = [whole(scene, DespeckleTiles(settings, device=device)) for device in ("cpu", "cuda")]
    np.testing.assert_allclose(*images, atol=2e-3)


def whole(scene, apply):
    layout = Layout(scene.shape[1:], tile=96, overlap=48, multiple=16)
    out = np.empty_like(scene)
    for tile, core in stream_tiles(apply, scene, layout, out_bands=1, batch=2):
        out[:, tile.core.rows.slice, tile.core.cols.slice] = core
    return out
