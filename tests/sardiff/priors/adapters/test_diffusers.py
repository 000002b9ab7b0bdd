"""Folders of diffusers as priors: against diffusers itself, and at the door."""

import json
import math
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sardiff.errors import PriorError
from sardiff.likelihoods.gamma import GammaSpeckle
from sardiff.priors.adapters.diffusers import CARD, FORMAT, OLD_NAMES, WEIGHTS, Card, load_folder
from sardiff.priors.checkpoint import load_prior
from sardiff.priors.local_mean import local_mean, mean_window
from sardiff.simulate import speckle
from sardiff.solvers import diffpir, last
from sardiff.tasks.despeckle import Despeckle, DespeckleTiles, overlap_for
from tiling import Layout, read_window

MINE = {"format": FORMAT, "scale": 2.0, "offset": -1.0, "licence": "MIT", "data": "none: drawn at random"}


def write_card(folder, **changes):
    card = {name: value for name, value in {**MINE, **changes}.items() if value is not ...}
    (folder / CARD).write_text(json.dumps(card))
    return folder


@pytest.fixture
def bare(tmp_path):
    """A folder with everything but weights that fit: what is refused before diffusers is asked."""
    (tmp_path / "unet").mkdir()
    (tmp_path / "scheduler").mkdir()
    config = {"_class_name": "UNet2DModel", "in_channels": 1, "out_channels": 1, "block_out_channels": [4]}
    (tmp_path / "unet" / "config.json").write_text(json.dumps(config))
    (tmp_path / "unet" / WEIGHTS).write_bytes(b"")
    (tmp_path / "scheduler" / "scheduler_config.json").write_text(
        '{"_class_name": "DDPMScheduler", "beta_start": 1e-4}'
    )
    return write_card(tmp_path)


@pytest.fixture
def model(tmp_path):
    """Writes a tiny model with attention and random weights, as a pipeline of diffusers does."""
    diffusers = pytest.importorskip("diffusers")

    def write(bands=1, out=None, scheduler=None, empty=False, **changes):
        unet = diffusers.UNet2DModel(
            sample_size=32,
            in_channels=bands,
            out_channels=out or bands,
            layers_per_block=1,
            block_out_channels=(8, 16),
            norm_num_groups=4,
            attention_head_dim=8,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        )
        if empty:
            torch.nn.init.zeros_(unet.conv_out.weight)
            torch.nn.init.zeros_(unet.conv_out.bias)
        unet.save_pretrained(tmp_path / "unet")
        (scheduler or diffusers.DDPMScheduler()).save_pretrained(tmp_path / "scheduler")
        return unet.eval().requires_grad_(False), write_card(tmp_path, **changes)

    return write


def images(count=2, side=16):
    return torch.randn(count, 1, side, side)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("learnt", [False, True])
def test_at_a_timestep_it_is_what_the_scheduler_says(model, prediction, learnt):
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type=prediction,
        clip_sample=False,
        variance_type="learned_range" if learnt else "fixed_small",
    )
    unet, folder = model(out=2 if learnt else 1, scheduler=scheduler)
    prior = load_folder(folder)
    for t in (0, 300, 900):
        abar = float(scheduler.alphas_cumprod[t])
        x = images()  # in the model's units, over a = sqrt(abar)
        x_t = math.sqrt(abar) * x
        predicted = unet(x_t, t).sample
        expected = scheduler.step(predicted, t, x_t).pred_original_sample
        d = prior.denoise(2 * x - 1, 2 * math.sqrt((1 - abar) / abar))
        torch.testing.assert_close(d, 2 * expected - 1, rtol=1e-3, atol=1e-3 / math.sqrt(abar))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_it_is_what_the_scheduler_of_karras_says(model, prediction):
    from diffusers import EDMEulerScheduler

    scheduler = EDMEulerScheduler(sigma_data=0.6, prediction_type=prediction)
    unet, folder = model(scheduler=scheduler)
    x, sigma = images(), torch.tensor(0.4)
    predicted = unet(scheduler.precondition_inputs(x, sigma), scheduler.precondition_noise(sigma)).sample
    expected = scheduler.precondition_outputs(x, predicted, sigma)
    d = load_folder(folder).denoise(2 * x - 1, 0.8)
    torch.testing.assert_close(d, 2 * expected - 1, rtol=1e-5, atol=1e-5)


def test_the_record_says_what_it_is(model):
    _, folder = model(reach=20)
    prior = load_prior(folder)
    assert load_prior(folder) is prior
    assert (prior.bands, prior.stride, prior.receptive_field, prior.local) == (1, 2, 8, False)
    assert prior.name == folder.name
    assert prior.card["licence"] == "MIT"
    assert prior.v(0.5) == pytest.approx(0.25 / 1.25, rel=0.01)  # sigma_data is scale / 2 = 1
    assert overlap_for(Despeckle(looks=1), prior) == 80
    write_card(folder, variance=[[0.1, 0.005], [1.0, 0.3]])
    other = load_prior(folder)
    assert other.v(1.0) == pytest.approx(0.3)
    assert other.sha256 != prior.sha256


@pytest.mark.parametrize("bands", [1, 3])
def test_an_image_feels_neither_its_batch_nor_its_type(model, bands):
    prior = load_folder(model(bands)[1])
    x, sigmas = images(3), torch.tensor([0.1, 1.0, 5.0])
    together = prior.denoise(x, sigmas)
    for i, sigma in enumerate(sigmas.tolist()):
        torch.testing.assert_close(prior.denoise(x[i : i + 1], sigma), together[i : i + 1], rtol=1e-4, atol=1e-4)
    double = prior.denoise(x.double(), sigmas)
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), together, rtol=1e-4, atol=1e-4)


def test_a_model_that_predicts_nothing_leaves_the_local_mean(model):
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler(prediction_type="sample")
    prior = load_folder(model(scheduler=scheduler, empty=True, around="local mean", radius=3, offset=0.5)[1])
    x = images()
    torch.testing.assert_close(prior.denoise(x, 0.5), local_mean(x, mean_window(3)) + 0.5)


def test_files_at_the_top_and_old_names_are_read(model):
    _, folder = model()
    x = images()
    expected = load_folder(folder).denoise(x, 0.5)
    for name in ("unet", "scheduler"):
        for file in (folder / name).iterdir():
            file.rename(folder / file.name)
        (folder / name).rmdir()
    weights = load_file(folder / WEIGHTS)
    assert any(".to_q." in name for name in weights)
    for old, new in OLD_NAMES.items():
        weights = {name.replace(new, old): tensor for name, tensor in weights.items()}
    save_file(weights, folder / WEIGHTS)
    assert torch.equal(load_folder(folder).denoise(x, 0.5), expected)


@pytest.mark.parametrize("method", ["scoring", "diffpir", "moment"])
def test_a_scene_is_despeckled_with_it(model, method):
    folder = model(empty=True, scheduler=None, around="local mean", sigma_data=0.5)[1]
    scene = 3.0 * speckle((1, 32, 32), 4.0, np.random.default_rng(0))
    layout = Layout(scene.shape[1:], tile=32, overlap=0)
    pixels = np.stack([read_window(scene, tile) for tile in layout]).astype(np.float32)
    settings = Despeckle(looks=4.0, method=method, steps=2 if method == "scoring" else 4)
    out = DespeckleTiles(settings, folder, "cpu")(pixels, list(layout))
    assert np.isfinite(out).all()
    assert np.exp(out).mean() == pytest.approx(scene.mean(), rel=0.05)


def test_diffpir_smooths_with_it_what_speckle_roughens(model):
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler(prediction_type="sample")
    prior = load_folder(model(scheduler=scheduler, empty=True, around="local mean", radius=5, offset=0.0)[1])
    intensity = torch.from_numpy(speckle((1, 1, 32, 32), 4.0, np.random.default_rng(0))).float()
    likelihood = GammaSpeckle.from_intensity(intensity, 4.0, 1.0)
    steps = diffpir(prior.denoise, likelihood, (1.0, 0.5, 0.2), lambda step: torch.randn(1, 1, 32, 32))
    assert float(last(steps).x0.std()) < 0.6 * float(intensity.log().std())


def test_the_command_says_that_the_result_depends_on_tiles(model, tmp_path):
    rasterio = pytest.importorskip("rasterio")
    from click.testing import CliRunner

    from sardiff.cli import cli

    _, folder = model(empty=True)
    scene, out = tmp_path / "scene.tif", tmp_path / "out.tif"
    made = CliRunner().invoke(cli, ["simulate", str(scene), "--size", "48"])
    assert made.exit_code == 0, made.output
    words = ["despeckle", scene, out, "--looks", "1", "--tile", "32", "--overlap", "16", "--workers", "1"]
    done = CliRunner().invoke(cli, [*map(str, words), "--weights", str(folder)])
    assert done.exit_code == 0, done.output
    assert "the result depends on the tiles, here of 32 pixels that overlap by 16" in " ".join(done.output.split())
    with rasterio.open(out) as written:
        record = json.loads(written.tags()["SARDIFF_PRIOR"])
    assert (record["name"], record["local"]) == (folder.name, False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "sardiff-prior/1"}, "format must be 'sardiff-diffusers/1', got 'sardiff-prior/1'"),
        ({"scale": ...}, "missing 1 required keyword-only argument: 'scale'"),
        ({"scale": 0}, "scale must be a number > 0, got 0"),
        ({"scale": "2"}, "scale must be a number > 0, got '2'"),
        ({"offset": math.nan}, "offset must be a number, got nan"),
        ({"offset": 10**400}, "offset must be a number"),
        ({"sigma_data": -1}, "sigma_data must be a number > 0"),
        ({"around": "the tile's mean"}, "around must be 'local mean'"),
        ({"radius": 0}, "radius must be a whole number from 1 to 4096"),
        ({"reach": 1.5}, "reach must be a whole number from 0 to 4096"),
        ({"licence": None}, "licence must be a text"),
        ({"variance": [[0.1]]}, "not enough values"),
        ({"variance": [[0.1, math.inf]]}, "variance must be a table of numbers"),
        ({"unet": "../elsewhere"}, "there is no entry 'unet'"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(bare, change, message):
    write_card(bare, **change)
    with pytest.raises(PriorError, match=message) as refused:
        load_prior(bare)
    assert str(refused.value).startswith(f"{bare / CARD} is not the card of a prior: ")


@pytest.mark.parametrize("content", ["", "[]", "\x00", "[" * 100_000])
def test_a_card_that_is_none_is_refused(bare, content):
    (bare / CARD).write_text(content)
    with pytest.raises(PriorError, match=r"sardiff\.json (cannot be read as JSON|must hold a JSON object)"):
        load_prior(bare)


@pytest.mark.parametrize("name", [CARD, "unet/config.json", f"unet/{WEIGHTS}", "scheduler/scheduler_config.json"])
def test_a_missing_file_is_named(bare, name):
    (bare / name).unlink()
    with pytest.raises(PriorError, match=rf"{name} is missing"):
        load_prior(bare)


def test_pickles_are_never_opened(bare):
    (bare / "unet" / WEIGHTS).rename(bare / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(PriorError, match=r"diffusion_pytorch_model\.bin is a pickle, .* never opened\. Save the model"):
        load_prior(bare)


def test_weights_in_parts_are_refused(bare):
    (bare / "unet" / WEIGHTS).rename(bare / "unet" / f"{WEIGHTS}.index.json")
    with pytest.raises(PriorError, match="the weights are in parts"):
        load_prior(bare)


@pytest.mark.parametrize("name", [CARD, f"unet/{WEIGHTS}", "unet"])
def test_what_leads_out_of_the_folder_is_refused(bare, tmp_path_factory, name):
    outside = tmp_path_factory.mktemp("outside") / "there"
    (bare / name).rename(outside)
    (bare / name).symlink_to(outside)
    with pytest.raises(PriorError, match="leads out of the folder"):
        load_prior(bare)


def test_models_of_latents_are_refused(bare):
    (bare / "vqvae").mkdir()
    with pytest.raises(PriorError, match=r"model of latents \(vqvae\)"):
        load_prior(bare)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"_class_name": "UNet2DConditionModel"}, "is of a 'UNet2DConditionModel'; only a 'UNet2DModel'"),
        ({"_class_name": ["os", "system"]}, "only a 'UNet2DModel'"),
        ({"in_channels": 5, "out_channels": 5}, "takes 5 bands and gives 5; a prior takes 1 or 3"),
        ({"out_channels": 3}, "takes 1 bands and gives 3"),
        ({"time_embedding_type": "fourier"}, "time_embedding_type is 'fourier'"),
    ],
)
def test_a_network_that_cannot_be_a_prior_is_refused(bare, change, message):
    path = bare / "unet" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(PriorError, match=message):
        load_prior(bare)


def test_without_diffusers_it_says_what_to_install(bare, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(PriorError, match=r'pip install "sardiff\[diffusers\]"'):
        load_prior(bare)


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        (f"unet/{WEIGHTS}", lambda text: text[:100], "SafetensorError"),
        ("unet/config.json", lambda text: text.replace("AttnUpBlock2D", "EvilBlock"), "EvilBlock"),
        (
            "unet/config.json",
            lambda text: text.replace('"layers_per_block": 1', '"layers_per_block": 2'),
            "Missing key",
        ),
        ("unet/config.json", lambda text: text.replace('"num_class_embeds": null', '"num_class_embeds": 3'), "class"),
        ("scheduler/scheduler_config.json", lambda text: text.replace('"epsilon"', '"flow"'), "prediction must be one"),
        ("scheduler/scheduler_config.json", lambda text: text.replace('"linear"', '"steep"'), "steep"),
        ("scheduler/scheduler_config.json", lambda text: text.replace("beta_start", "shift"), "not of a kind"),
    ],
)
def test_a_model_that_is_not_whole_is_refused(model, name, damage, message):
    _, folder = model()
    path = folder / name
    before = path.read_bytes()
    path.write_bytes(damage(before.decode("latin-1")).encode("latin-1"))
    assert path.read_bytes() != before
    with pytest.raises(PriorError, match=message):
        load_folder(folder)


def test_a_card_is_a_record():
    with pytest.raises(ValueError, match="scale must be"):
        Card(**{**MINE, "scale": True})
