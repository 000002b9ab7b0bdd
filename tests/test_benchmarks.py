"""The benchmarks start, and their own small functions tell the truth; what is heavy is run by hand."""

import importlib
import json
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="benchmarks are not part of the distribution")


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for needed in ("bm3d", "scipy"):
        pytest.importorskip(needed)

    def named(name: str) -> ModuleType:
        return importlib.import_module(name)

    return named


@pytest.mark.parametrize(
    "name",
    [
        *("quality", "real", "trust", "despeckle_peers", "correlated", "ablation", "stacks", "engine", "kill"),
        *("invariance", "fusion", "luminance", "full_size", "restore"),
    ],
)
def test_each_says_how_it_is_used(load, name, capsys):
    with pytest.raises(SystemExit) as ended:
        load(name).main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(option in said for option in ("--quick", "--save", "--threads"))
    assert f"{name}.py" in (BENCHMARKS / "README.md").read_text()


def test_boxcar_and_lee_average_even_ground_and_leave_strong_points(load):
    rivals = load("rivals")
    rng = np.random.default_rng(0)
    even = rng.gamma(4.0, 0.25, (64, 64))
    assert rivals.boxcar(even, 7)[10, 10] == pytest.approx(even[7:14, 7:14].mean())
    assert rivals.lee(even, looks=4.0).var() < 0.3 * even.var()
    even[32, 32] = 1e6
    assert rivals.lee(even, looks=4.0)[32, 32] > 0.7e6


def test_bm3d_on_the_logarithm_keeps_a_constant_up_to_jensen(load):
    speckled = 3.0 * np.random.default_rng(1).gamma(4.0, 0.25, (64, 64))
    rivals = load("rivals")
    clean = rivals.log_bm3d(speckled, 4.0)
    assert clean.mean() == pytest.approx(3.0, rel=0.05)
    assert clean.std() < 0.3
    assert rivals.with_mean_of(clean, speckled).mean() == pytest.approx(speckled.mean())


def test_validation_images_become_intensity_by_luminance(load):
    pixels = np.zeros((600, 20, 3), np.uint8)
    pixels[..., 1] = 100
    intensity = load("quality").intensity_of(pixels)
    assert intensity.shape == (512, 20)
    np.testing.assert_allclose(np.sqrt(intensity), (58.7 + 1) / 256, rtol=1e-6)


def test_coverage_of_an_honest_uncertainty(load):
    quality = load("quality")
    rng = np.random.default_rng(0)
    spread = rng.uniform(0.5, 2.0, (200, 200))
    case = quality.Case("made up", np.ones((200, 200)), np.ones((200, 200)))
    honest = 10 ** (spread * rng.standard_normal(spread.shape) / 10)
    row = quality.uncertainty_row("honest", [case], 1.0, lambda _: np.stack([honest, spread]))
    assert row["within 1 std (.683)"] == pytest.approx(0.683, abs=0.01)
    assert row["within 1.96 std (.95)"] == pytest.approx(0.95, abs=0.01)
    assert row["rms ratio"] == pytest.approx(1, abs=0.02)
    assert 0.2 < row["rank correlation"] < 0.6


def test_the_reference_of_a_date_leaves_out_the_near_ones(load):
    stacks = load("stacks")
    days = [date(2024, 1, 1) + timedelta(days=step) for step in (0, 12, 59, 60, 200)]
    stack = np.arange(1.0, 6.0)[:, None, None] * np.ones((1, 3, 3))
    np.testing.assert_allclose(stacks.reference(stack, days, 0), 4.5)
    assert stacks.spread(21, 3) == [0, 10, 20]
    looks = np.random.default_rng(0).gamma(6.0, 1 / 6, (21, 64, 64))
    assert stacks.temporal_looks(looks) == pytest.approx(6, rel=0.1)


def test_lag_correlation_of_a_moving_average(load):
    white = np.random.default_rng(0).standard_normal((400, 401))
    image = white[:, 1:] + white[:, :-1]
    starts = np.arange(0, 360, 40)
    along_rows, along_cols = load("real").lag_correlation(image, starts, starts, 40)
    np.testing.assert_allclose(along_rows, 0, atol=0.05)
    np.testing.assert_allclose(along_cols, [0.5, 0, 0], atol=0.05)


def test_differences_of_two_cuts(load):
    invariance = load("invariance")
    a = np.zeros((1, 4, 4), np.float32)
    b = a.copy()
    b[0, 2, 2] = np.log(10) / 10
    a[0, 0, 0] = b[0, 0, 0] = np.nan
    assert invariance.largest_db(a, b)[0] == pytest.approx(1.0, rel=1e-5)
    b[0, 3, 3] = np.nan
    assert invariance.largest_db(a, b)[0] == np.inf


def test_a_file_with_other_tags_is_not_the_same(load, tmp_path):
    rasterio = pytest.importorskip("rasterio")
    kill = load("kill")
    paths = [tmp_path / name for name in ("a.tif", "b.tif")]
    for path, tag in zip(paths, ("x", "y"), strict=True):
        place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}
        size = {"width": 16, "height": 16, "count": 1, "dtype": "float32"}
        with rasterio.open(path, "w", driver="GTiff", **size, **place) as dataset:
            dataset.update_tags(WHAT=tag)
    assert kill.compare(*paths) == {"same bytes": False, "same pixels": True, "same tags": False}
    assert all(kill.compare(paths[0], paths[0]).values())


def test_windows_of_radiometry_leave_out_what_is_not_known(load):
    trust = load("trust")
    above, below = np.full((100, 100), 2.0), np.ones((100, 100))
    below[:40, :40] = np.nan
    np.testing.assert_allclose(trust.window_ratios(above, below), [2, 2, 2])
    assert trust.ratio_summary(np.zeros(0))["windows"] == 0


def test_nominal_intervals_hold_honest_errors(load):
    trust = load("trust")
    rng = np.random.default_rng(0)
    spread = rng.uniform(0.5, 2, 200_000)
    factors = trust.interval_factors(trust.DespeckleTiles(trust.Despeckle(looks=1.0, method="scoring")))
    held = trust.coverage(spread * rng.standard_normal(spread.size), spread, factors)
    assert list(held.values()) == pytest.approx(trust.NOMINAL, abs=0.005)
    assert set(np.bincount(trust.classes(rng.random(1000), 10))) == {100}


def test_a_ramp_has_the_gradient_it_has(load):
    ramp = np.add.outer(1.5 * np.arange(9), 2.0 * np.arange(9))
    np.testing.assert_allclose(load("trust").gradient_db(ramp)[1:-1, 1:-1], 2.5)


@pytest.mark.parametrize("how", ["one_pixel", "imaged"])
def test_targets_are_measured_without_bias(load, how):
    trust, rng = load("trust"), np.random.default_rng(0)
    clutter, ratios = np.full((192, 192), 0.05), []
    for _ in range(6):
        targets = trust.scatter(clutter, rng, within_pixel=how == "imaged")
        mean, measured = getattr(trust, how)(clutter, targets, 1, rng)
        ratios.append((measured / mean)[targets.pixels])
        assert (measured / mean).mean() == pytest.approx(1, abs=0.15)
    assert np.mean(ratios) == pytest.approx(1, abs=0.2)


def test_a_planted_leak_is_found(load):
    trust, rng = load("trust"), np.random.default_rng(0)
    truth = np.exp(trust.gaussian_filter(rng.standard_normal((192, 192)), 1.5) * 3)
    measured = truth * trust.draw(truth.shape, 1, "independent", rng)
    honest, leaking = (trust.leakage(measured, x)["detail"] for x in (truth, trust.smooth(truth, trust.LEAK)))
    assert leaking > honest + 5 * trust.chance(truth.size, "independent")["detail"]


@pytest.mark.parametrize("name", ["refined-lee", "ppb", "ppb-iterated", "log-tv", "mulog-tv"])
def test_a_peer_flattens_even_ground_and_keeps_its_mean(load, name):
    peers = load("peers")
    peer = peers.PEERS[name]
    even = 3 * np.random.default_rng(0).gamma(4.0, 0.25, (64, 64))
    clean = peer.run(peers.Scene(even, 4.0), peer.choices[len(peer.choices) // 2])
    assert clean.var() < 0.2 * even.var()
    assert clean.mean() == pytest.approx(even.mean(), rel=0.05)


def test_refined_lee_leaves_a_clean_step(load):
    step = np.where(np.arange(21) > 10, 10.0, 1.0) * np.ones((21, 1))
    for turned in (step, step.T):
        np.testing.assert_allclose(load("peers.refined_lee").refined_lee(turned, 100.0), turned)


def test_ppb_weighs_pixels_as_the_paper_does(load):
    ppb = load("peers.ppb")
    y = np.random.default_rng(0).gamma(2.0, 0.5, (16, 16))
    amplitude, h = np.sqrt(y), ppb.threshold(2.0, 3, 0.9)
    weights, values = [], []
    for row, col in ((8 + i, 7 + j) for i in range(-2, 3) for j in range(-2, 3) if (i, j) != (0, 0)):
        ratio = amplitude[7:10, 6:9] / amplitude[row - 1 : row + 2, col - 1 : col + 2]
        weights.append(np.exp(-np.log(ratio + 1 / ratio).sum() / h))
        values.append(y[row, col])
    expected = np.average([*values, y[8, 7]], weights=[*weights, max(weights)])
    assert ppb.ppb(y, 2.0, alpha=0.9, patch=3, window=5)[8, 7] == pytest.approx(expected, rel=1e-4)


def test_mulog_without_a_prior_returns_what_was_measured(load):
    y = np.random.default_rng(0).gamma(1.0, 1.0, (16, 16))
    clean = load("peers.mulog").mulog(y, 1.0, lambda image, sigma: image, iterations=60)
    np.testing.assert_allclose(clean, y, rtol=1e-3)  # the most likely image


def test_going_uphill_finds_the_top_and_looks_at_few(load):
    trial, choices = load("peers.trial"), tuple(range(10))
    tried = trial.climb(lambda choice: -((choice - 7) ** 2), choices, 5)
    assert max(tried, key=tried.get) == 7
    assert set(tried) == {4, 5, 6, 7, 8}
    assert set(trial.climb(lambda _: np.nan, choices)) == {4, 5, 6}


def test_differences_are_paired_by_image(load):
    trial = load("peers.trial")

    def row(method: str, psnrs: list[float], **more: bool) -> dict[str, object]:
        kept = {
            name: {"psnr": p, "ssim": p, "dB": -p, "edges": 1.0, "mean %": 0.0}
            for name, p in zip("abc", psnrs, strict=False)
        }
        return {"method": method, "per_image": kept, **more}

    rows = [row("ours", [11, 12, 16], own=True), row("x", [10, 11, 12]), row("y", [10, 10]), row("speckled", [99] * 3)]
    found = trial.paired(rows, "ours", "abc")
    assert (found["best peer"], found["of peers"], found["images"]) == ("x", 1, 3)
    assert found["psnr gain"] == found["dB gain"] == pytest.approx(2)
    assert found["psnr se"] == pytest.approx(1)
    assert trial.paired(rows, "ours", "ab")["of peers"] == 2
    assert trial.paired(rows[1:], "ours", "abc") is None


def test_findings_outlive_a_cut(load, tmp_path):
    ledger, path = load("peers.ledger").Ledger, tmp_path / "findings"
    first = ledger(path, {"seed": 0})
    first.add("score", method="a", L=1.0)
    first.add("score", method="b", L=np.float32(1))
    path.write_text(path.read_text()[:-5])
    again = ledger(path, {"seed": 0})
    assert again.of("score", L=1.0) == [{"method": "a", "L": 1.0}]
    again.add("claims", method="a")
    assert len(ledger(path, {"seed": 0}).findings) == 2
    with pytest.raises(ValueError, match="was written with other settings"):
        ledger(path, {"seed": 1})


def test_rivals_of_a_stack_are_tuned_on_the_others(load):
    stacks, peer = load("stacks"), load("peers").PEERS["boxcar"]
    days = [date(2024, 1, 1) + timedelta(days=30 * step) for step in range(12)]
    rng = np.random.default_rng(0)
    even, rough = np.ones((32, 32)), np.exp(1.5 * rng.standard_normal((32, 32)))
    made = {
        name: ((truth * rng.gamma(4.0, 0.25, (12, 32, 32))).astype(np.float32), days)
        for name, truth in (("even", even), ("rough", rough))
    }
    best = stacks.tuned(peer, made, 2)
    assert best["rough"] > best["even"] == peer.choices[0]
    made["even"][0][0, 3, 3] = np.nan
    assert np.isnan(stacks.by_rival(peer, made["even"][0][0], 4.0, 3)).sum() == 1


def test_resampled_speckle_has_the_looks_that_peers_are_told(load):
    module = load("despeckle_peers")
    for kind in module.SETS:
        noise, _ = module.draw(kind, (256, 256), 1, np.random.default_rng(0))
        assert noise.mean() == pytest.approx(1, abs=0.05)
        assert noise.mean() ** 2 / noise.var() == pytest.approx(module.expected_looks(kind, 1), rel=0.1)


@pytest.mark.slow
def test_whole_scenes_are_fused_killed_and_resumed(load, capsys):
    load("full_size").main(["--quick", "--threads", "2"])
    found = json.loads(capsys.readouterr().out)["results"]
    assert found["finished"]
    assert found["same pixels as without a kill"]
    assert found["left behind"] == []
    assert [row["ended"] for row in found["runs"]] == ["killed", "killed", "done", "done"]


def test_a_mirrored_line_goes_to_and_fro(load):
    places = load("full_size").mirrored(np.arange(-3.0, 9.0), 4)
    np.testing.assert_array_equal(places, [3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2])


@pytest.mark.parametrize("factor", [2, 3])
def test_phases_go_back_to_where_they_were(load, factor):
    module = load("correlated")
    slope = np.exp(0.02 * np.add.outer(np.arange(31.0), 2 * np.arange(28.0)))
    parts = module.phases(slope, factor)
    np.testing.assert_array_equal(parts[1][:5, :5], slope[::factor, 1::factor][:5, :5])
    np.testing.assert_array_equal(module.interleave(parts, slope.shape), slope)
    inner = (slice(factor, -2 * factor),) * 2  # a log-linear slope is what interpolation keeps
    np.testing.assert_allclose(module.average(parts, slope.shape)[inner], slope[inner])


def test_whitened_pixels_are_independent_and_lie_where_they_lay(load):
    module, rng = load("correlated"), np.random.default_rng(0)
    ground = np.ones((256, 250))
    mean, field = module.imaged(ground, 0.45, rng)
    assert mean == pytest.approx(1)
    field = field * np.exp(2j * np.pi * 0.2 * np.arange(250))  # a band that does not lie around zero
    white = module.whiten(field)
    np.testing.assert_allclose(np.divide(white.shape, field.shape), 0.45, atol=0.03)
    for axis, before in ((0, field), (1, field), (0, white), (1, white)):
        power = abs(before) ** 2
        lag1 = np.corrcoef(np.delete(power, 0, axis).ravel(), np.delete(power, -1, axis).ravel())[0, 1]
        assert abs(lag1) < 0.05 if before is white else lag1 > 0.5
    field[100, 60] += 1e3
    power = abs(module.whiten(field)) ** 2
    brightest = np.unravel_index(power.argmax(), power.shape)
    np.testing.assert_allclose(np.multiply(brightest, np.divide(field.shape, power.shape)), (100, 60), atol=1.2)
    np.testing.assert_allclose(module.on_grid(np.ones((9, 7)), (20, 16)), np.ones((20, 16)))


def test_imaged_pixels_have_the_mean_that_is_their_truth(load):
    module, rng = load("correlated"), np.random.default_rng(0)
    step = np.where(np.arange(40) < 20, 1.0, 9.0) * np.ones((40, 1))
    pairs = [module.imaged(step, 0.45, rng) for _ in range(300)]
    power = np.mean([abs(field) ** 2 for _, field in pairs], axis=(0, 1))
    np.testing.assert_allclose(power, pairs[0][0].mean(axis=0), rtol=0.15)


def test_what_is_saved_names_no_place_of_the_machine_that_measured(load, tmp_path, monkeypatch, capsys):
    record = load("record")
    options = record.parser("").parse_args(["--save"])
    options.weights, options.scratch = str(tmp_path / "prior.safetensors"), tmp_path
    monkeypatch.setattr(record, "HERE", tmp_path)
    record.emit("anything", options, {"a": 1.0}, began=0.0)
    saved = (tmp_path / "results" / "anything.json").read_text()
    assert saved == capsys.readouterr().out
    assert "prior.safetensors" in saved
    assert str(tmp_path) not in saved
    for results in (BENCHMARKS / "results").glob("*.json"):
        assert '"/' not in results.read_text()


def test_the_page_of_results_is_what_the_results_say(load):
    load("summary").main(["--check"])


def test_a_table_says_what_is_not_known(load):
    summary = load("summary")
    rows = [{"name": "a", "x": 1.0, "n": 3}, {"name": "b", "x": float("nan"), "n": None}]
    text = summary.table(rows, {"name": "name", "twice": lambda row: 2 * row["x"], "n": "n"})
    assert text.splitlines()[2:] == ["| a | 2.00 | 3 |", "| b | - | - |"]
    merged, columns = summary.side_by_side(
        [{"m": "a", "L": 1.0, "p": 5}, {"m": "a", "L": 4.0, "p": 6}], "m", "L", {"P": "p"}
    )
    assert list(columns) == ["m", "1 look: P", "4 looks: P"]
    assert [merged[0][key] for key in columns.values()] == ["a", 5, 6]


def test_a_finding_that_is_forgotten_is_made_again_and_the_later_one_counts(load, tmp_path):
    ledger = load("peers.ledger").Ledger
    first = ledger(tmp_path / "kept.jl", {"crop": 64})
    first.add("score", method="ours", psnr=1.0, code="old")
    again = ledger(tmp_path / "kept.jl", {"crop": 64})
    again.forget(lambda finding: finding["code"] != "new")
    assert again.of("score") == []
    again.add("score", method="ours", psnr=2.0, code="new")
    third = ledger(tmp_path / "kept.jl", {"crop": 64})
    third.forget(lambda finding: finding["code"] != "new")
    assert [finding["psnr"] for finding in third.of("score", method="ours")] == [2.0]


@pytest.mark.parametrize(
    ("named", "method"),
    [
        ("speckled", "speckled"),
        ("BM3D on the logarithm", "log-BM3D"),
        ("`one-pass`, fast", "one-pass, fast, 1 step"),
        ("`one-pass`, balanced (the default)", "one-pass, balanced, 1 step"),
        ("`scoring`, fast", "scoring, fast, 2 steps"),
    ],
)
def test_the_table_of_the_readme_is_that_of_the_results(named, method):
    kept = json.loads((BENCHMARKS / "results" / "quality.json").read_text())["results"]["fast"]
    measured = {row["L"]: row for row in kept if row["method"] == method}
    lines = (BENCHMARKS.parent / "README.md").read_text().splitlines()
    cells = next(line.split("|")[2:-1] for line in lines if line.startswith(f"| {named} |"))
    expected = [
        f"{measured[looks][key]:{form}}" for looks in (1.0, 4.0) for key, form in (("psnr", ".2f"), ("ssim", ".3f"))
    ]
    assert [cell.strip() for cell in cells[:4]] == expected
    if (seconds := cells[4].strip()) not in ("", "< 1"):
        assert float(seconds) == pytest.approx(np.mean([row["in a scene"] for row in measured.values()]), rel=0.1)
