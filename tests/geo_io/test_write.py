import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC

from geo_io.errors import WriteError
from geo_io.geotiff import opened
from geo_io.grid import Grid
from geo_io.source import Metadata
from geo_io.write import COMPRESSIONS, SceneWriter, check_output, discard, require_space

UTM = CRS.from_epsg(32633)
WGS84 = CRS.from_epsg(4326)
SHAPE = (150, 210)
POINTS = tuple(
    GroundControlPoint(row=i * 50 / 3, col=j * 14.1, x=16 + j / 7, y=48 - i / 3e3, z=i / 3)
    for i in range(10)
    for j in range(21)
)
COEFFICIENTS = RPC(
    height_off=33.25, height_scale=500.1, lat_off=48.123456789012, lat_scale=0.0123456789, line_off=75.5,
    line_scale=75.1, long_off=16.3, long_scale=0.02, samp_off=105.5, samp_scale=105.1,
    line_num_coeff=[i / 8e9 for i in range(20)], line_den_coeff=[1 / 2**i for i in range(20)],
    samp_num_coeff=[-0.125 * i for i in range(20)], samp_den_coeff=[1.0, *[1e-7] * 19],
    err_bias=0.5, err_rand=0.25,
)  # fmt: skip
NO_CODE = CRS.from_string("+proj=laea +lat_0=47.3 +lon_0=11.2 +x_0=1 +y_0=2 +ellps=bessel +units=m")
NORTH_UP = Affine(10 / 3, 0, 5e5 + 1 / 3, 0, -10 / 3, 5.1e6)

GRIDS = {
    "north up": Grid(SHAPE, crs=UTM, transform=NORTH_UP),
    "rotated": Grid(SHAPE, crs=UTM, transform=Affine(3.1, 0.7, 5e5 + 1 / 3, 0.6, -3.2, 5.1e6)),
    "south up": Grid(SHAPE, crs=WGS84, transform=Affine(1e-4, 0, 16 / 3, 0, 1e-4, 5 / 3)),
    "CRS without code": Grid(SHAPE, crs=NO_CODE, transform=NORTH_UP),
    "no CRS": Grid(SHAPE, transform=NORTH_UP),
    "control points": Grid(SHAPE, gcps=POINTS, gcp_crs=WGS84),
    "control points without CRS": Grid(SHAPE, gcps=POINTS[::7]),
    "control points and RPCs": Grid(SHAPE, gcps=POINTS, gcp_crs=WGS84, rpcs=COEFFICIENTS),
    "RPCs": Grid(SHAPE, rpcs=COEFFICIENTS),
    "affine and RPCs": Grid(SHAPE, crs=UTM, transform=NORTH_UP, rpcs=COEFFICIENTS),
    "CRS alone": Grid(SHAPE, crs=UTM),
    "nothing": Grid(SHAPE),
}


def scene(bands=1, shape=SHAPE, seed=0):
    """Speckle that knows where it is, with values a careless writer would change."""
    pixels = np.random.default_rng(seed).gamma(1.0, size=(bands, *shape)).astype(np.float32)
    pixels += 1000 * np.arange(shape[0], dtype=np.float32)[:, None] + np.arange(shape[1], dtype=np.float32)
    pixels[:, :3, :5] = np.nan
    pixels[:, 3, :4] = [-0.0, 0.0, -7.5, np.inf]
    return pixels


def writer(final, grid=GRIDS["north up"], *, bands=1, block=64, nodata=np.nan, metadata=None, fingerprint=None):
    return SceneWriter(
        final, grid=grid, bands=bands, block=block, metadata=metadata, nodata=nodata,
        fingerprint={"input": "a.tif", "looks": "4.4"} if fingerprint is None else fingerprint,
    )  # fmt: skip


def places(shape=SHAPE, block=64):
    return [(i, j) for i in range(-(-shape[0] // block)) for j in range(-(-shape[1] // block))]


def put(w, pixels, place, block=64):
    i, j = place
    w.write(i, j, pixels[:, i * block : (i + 1) * block, j * block : (j + 1) * block])


def write_all(final, pixels, *args, tags=None, compression="deflate", **kwargs):
    with writer(final, *args, bands=len(pixels), **kwargs) as w:
        block = kwargs.get("block", 64)
        for place in places(pixels.shape[1:], block):
            put(w, pixels, place, block)
        w.finish(tags or {}, compression)
        return w


@pytest.mark.parametrize("kind", GRIDS)
def test_every_georeferencing_comes_back_exactly(tmp_path, kind):
    final = tmp_path / "out.tif"
    w = write_all(final, scene(), GRIDS[kind])
    with opened(final) as dataset:
        back = Grid.from_dataset(dataset)
        assert back == GRIDS[kind]
        np.testing.assert_array_equal(dataset.read(), scene())
    assert w.notes == ()
    assert list(tmp_path.iterdir()) == [final]


def test_pixels_metadata_and_layout_come_back_as_written(tmp_path):
    pixels = scene(bands=3, shape=(1100, 700))
    metadata = Metadata(
        descriptions=("VV", None, "Größe"),
        units=("dB", None, "1"),
        band_tags=({"polarisation": "VV"}, {}, {"look": "<&>"}),
        tags={"AREA_OR_POINT": "Point", "TIFFTAG_DATETIME": "2021:04:01 05:26:23", "ns": "x", "orbit": "a\nb"},
        scales=(0.1, 1.0, 2.0),
        offsets=(-3.0, 0.0, 1 / 3),
        colorinterp=("red", "green", "blue"),
    )
    final = tmp_path / "out.tiff"
    grid = replace(GRIDS["north up"], shape=(1100, 700))
    write_all(final, pixels, grid, block=128, nodata=-7.5, metadata=metadata, tags={"made": '{"seed": 1}'})
    with rasterio.open(final) as d:
        assert d.read().tobytes() == pixels.tobytes()  # bit for bit: -0.0 and NaN too
        assert (d.descriptions, d.units) == (metadata.descriptions, metadata.units)
        assert (d.scales, d.offsets, d.nodatavals) == (metadata.scales, metadata.offsets, (-7.5,) * 3)
        assert [c.name for c in d.colorinterp] == ["red", "green", "blue"]
        assert d.tags(1)["polarisation"] == "VV"
        assert d.tags(3)["look"] == "<&>"
        wanted = {"AREA_OR_POINT", "TIFFTAG_DATETIME", "orbit"}
        assert {k: v for k, v in d.tags().items() if k in wanted} == {k: metadata.tags[k] for k in wanted}
        assert json.loads(d.tags()["made"]) == {"seed": 1}
        assert d.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (d.profile["compress"], d.block_shapes[0], d.overviews(1)) == ("deflate", (512, 512), [2, 4])
        assert d.dtypes == ("float32",) * 3
        assert Grid.from_dataset(d) == grid


def test_further_domains_of_tags_come_back_or_are_told_to_be_left_out(tmp_path):
    domains = Metadata(namespaces={"SAR": {"mode": "IW"}}, band_tags=({},))
    w = write_all(tmp_path / "a.tif", scene(), metadata=domains)
    assert w.notes == ()
    with rasterio.open(tmp_path / "a.tif") as d:
        assert d.tags(ns="SAR") == {"mode": "IW"}
    w = write_all(tmp_path / "b.tif", scene(), metadata=replace(domains, band_tags=({"polarisation": "VV"},)))
    assert "tags of SAR are left out" in w.notes[0]
    with rasterio.open(tmp_path / "b.tif") as d:
        assert d.tags(1) == {"polarisation": "VV"}


def test_overviews_are_means_of_what_was_measured(tmp_path):
    pixels = np.full((1, 1024, 1024), 2.0, np.float32)
    pixels[:, ::2, ::2] = -9999
    pixels[:, 1::2, 1::2] = 5
    write_all(tmp_path / "o.tif", pixels, Grid((1024, 1024)), block=256, nodata=-9999.0)
    with (
        pytest.warns(rasterio.errors.NotGeoreferencedWarning),
        rasterio.open(tmp_path / "o.tif", overview_level=0) as d,
    ):
        np.testing.assert_allclose(d.read(), 3.0)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression_is_lossless(tmp_path, compression):
    final = tmp_path / "o.tif"
    write_all(final, scene(2), compression=compression)
    with rasterio.open(final) as d:
        assert d.read().tobytes() == scene(2).tobytes()
        assert (d.profile.get("compress") or "none") == compression


def test_nodata_of_none_is_none_and_a_double_becomes_what_a_pixel_can_hold(tmp_path):
    for nodata, expected in (
        (None, None),
        (0.1, float(np.float32(0.1))),
        (-3.4028234663852886e38, -3.4028234663852886e38),
    ):
        final = tmp_path / f"{nodata}.tif"
        write_all(final, scene(), nodata=nodata)
        with rasterio.open(final) as d:
            assert d.nodata == expected


def test_an_infinite_nodata_comes_back(tmp_path):
    pixels = scene()
    pixels[:, 10:20] = -np.inf
    write_all(tmp_path / "o.tif", pixels, nodata=-np.inf)
    with rasterio.open(tmp_path / "o.tif") as d:
        assert d.nodata == -np.inf
        np.testing.assert_array_equal(d.read(), pixels)


def test_control_points_stay_where_they_are_when_the_input_says_point(tmp_path):
    final = tmp_path / "o.tif"
    write_all(final, scene(), GRIDS["control points"], metadata=Metadata(tags={"AREA_OR_POINT": "Point"}))
    with rasterio.open(final) as d:
        assert Grid.from_dataset(d) == GRIDS["control points"]


def test_affine_wins_over_control_points(tmp_path):
    both = replace(GRIDS["north up"], gcps=POINTS, gcp_crs=WGS84)
    write_all(tmp_path / "o.tif", scene(), both)
    with rasterio.open(tmp_path / "o.tif") as d:
        assert Grid.from_dataset(d) == GRIDS["north up"]


def test_a_crs_beyond_geotiff_is_told(tmp_path):
    rotated_pole = CRS.from_string("+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18")
    w = write_all(tmp_path / "o.tif", scene(), replace(GRIDS["north up"], crs=rotated_pole))
    assert len(w.notes) == 1
    assert "cannot say this CRS" in w.notes[0]


def test_the_empty_partial_takes_no_room_and_its_directory_lies_before_all_pixels(tmp_path):
    final = tmp_path / "o.tif"
    with writer(final, replace(GRIDS["control points"], shape=(8000, 9000)), bands=2, block=256) as w:
        assert w.partial.stat().st_size > 8000 * 9000 * 2 * 4
        assert w.partial.stat().st_blocks * 512 < 2e6
        header = json.loads((tmp_path / ".o.tif.journal").read_text())
        with rasterio.open(w.partial) as d:
            first = min(int(d.get_tag_item(f"BLOCK_OFFSET_{j}_{i}", "TIFF", 1)) for i, j in places((8000, 9000), 256))
            assert int(d.get_tag_item("IFD_OFFSET", "TIFF", 1)) < first
            assert len(d.gcps[0]) == 210
        assert header["length"] == w.partial.stat().st_size


# ------------------------------------------------------------------ resuming


CHILD = """
import os, signal, sys, time
from pathlib import Path
sys.path[:0] = {path!r}
import geo_io.partial, geo_io.write
from test_write import put, places, scene, writer

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def die_half_way(file, data, calls=[0]):
    calls[0] += 1
    if calls[0] == int(instant):
        file.write(data[: len(data) // 2])
        die()
    file.write(data)

instant = sys.argv[2]
if instant.isdigit():
    geo_io.partial._write_all = die_half_way
elif instant == "copying":
    import rasterio.shutil
    copy = rasterio.shutil.copy
    rasterio.shutil.copy = lambda *args, **options: (copy(*args, **options), die())
elif instant == "reading back":
    geo_io.write._force_to_disk = die
elif instant == "removing":
    geo_io.partial.Partial.remove = die

with writer(Path(sys.argv[1]), bands=2) as w:
    if instant == "describing":
        geo_io.write.set_tags = die
    print("open", flush=True)
    for place in places():
        if place not in w.done:
            put(w, scene(2), place)
            time.sleep(0.02 if instant == "any" else 0)
    w.finish({{"made": "here"}})
"""


def child(final, instant):
    code = CHILD.format(path=[str(Path(__file__).parent), str(Path(__file__).parents[2])])
    return subprocess.Popen([sys.executable, "-c", code, str(final), instant], stdout=subprocess.PIPE)


def finish(final):
    with writer(final, bands=2) as w:
        for place in set(places()) - w.done:
            put(w, scene(2), place)
        w.finish({"made": "here"})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    final = tmp_path_factory.mktemp("whole") / "o.tif"
    finish(final)
    return final.read_bytes()


def test_killed_again_and_again_it_ends_in_the_same_file(tmp_path, whole):
    final = tmp_path / "o.tif"
    chance = random.Random(5)
    done = 0
    for _ in range(4):
        with child(final, "any") as process:
            process.stdout.readline()
            time.sleep(chance.uniform(0.02, 0.07))
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        with writer(final, bands=2) as w:
            assert len(w.done) >= done
            done = len(w.done)
    assert done > 0
    finish(final)
    assert final.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [final]


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        ("1", 0),  # half the journal's first line
        ("2", 0),  # half a block
        ("3", 0),  # half its line
        ("10", 4),  # half a block again
        ("describing", 12),
        ("copying", 12),
        ("reading back", 12),
        ("removing", 12),
    ],
)
def test_killed_at_the_worst_instants_it_ends_in_the_same_file(tmp_path, whole, instant, expected):
    final = tmp_path / "o.tif"
    with child(final, instant) as process:
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert final.exists() == (instant == "removing")  # the name is given to the whole file alone
    if final.exists():
        assert final.read_bytes() == whole
    with writer(final, bands=2) as w:
        assert len(w.done) == expected
        assert w.notes == ()
    finish(final)
    assert final.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [final]


def test_every_prefix_of_the_journal_is_a_state_to_go_on_from(tmp_path):
    """A kill cuts the journal at any byte; a block counts exactly when its line is whole."""
    final, journal = tmp_path / "o.tif", tmp_path / ".o.tif.journal"
    with writer(final) as w:
        for place in places()[:3]:
            put(w, scene(), place)
    text = journal.read_bytes()
    first = text.index(b"\n") + 1
    for cut in [*range(first, len(text) + 1), 0, 1, first // 2, first - 1]:
        journal.write_bytes(text[:cut])
        with writer(final) as w:
            expected = set(places()[: text[:cut].count(b"\n") - 1]) if cut >= first else set()
            assert w.done == expected
            if cut < first:
                break_even = w.partial.stat().st_blocks
                assert break_even * 512 < 1e5  # begun anew
                for place in places()[:3]:
                    put(w, scene(), place)


def test_a_torn_block_is_written_again(tmp_path):
    final = tmp_path / "o.tif"
    pixels = scene()
    with writer(final) as w:
        for place in places():
            put(w, pixels, place)
        partial = w.partial
    with rasterio.open(partial) as d:
        offset = int(d.get_tag_item("BLOCK_OFFSET_1_2", "TIFF", 1))
    with partial.open("r+b") as file:
        file.seek(offset + 100)
        file.write(b"torn")
    with writer(final) as w:
        assert set(places()) - w.done == {(2, 1)}
        assert w.notes[0].endswith("1 damaged blocks will be written again")
        with pytest.raises(WriteError, match="1 blocks are missing"):
            w.finish({})
        put(w, pixels, (2, 1))
        w.finish({})
    with rasterio.open(final) as d:
        np.testing.assert_array_equal(d.read(), pixels)


def test_a_directory_spoilt_while_finishing_is_put_back(tmp_path):
    final = tmp_path / "o.tif"
    with writer(final) as w:
        for place in places():
            put(w, scene(), place)
        partial = w.partial
    with partial.open("r+b") as file:
        file.seek(8)
        file.write(bytes(8))  # libtiff zeroes this pointer while it moves a directory
        file.seek(0, os.SEEK_END)
        file.write(b"half a directory")
    with writer(final) as w:
        assert w.done == set(places())
        w.finish({})
    assert final.exists()


def test_another_run_is_not_resumed_and_the_sentence_says_what_differs(tmp_path):
    final = tmp_path / "o.tif"
    with writer(final) as w:
        put(w, scene(), (0, 0))
    with pytest.raises(WriteError, match=r"looks was 4\.4 and is now 5; .*delete that file to begin anew"):
        writer(final, fingerprint={"input": "a.tif", "looks": "5"})
    with pytest.raises(WriteError, match="block was 64 and is now 128; image was 1 x 150 x 210 float32 and is now 2 x"):
        writer(final, bands=2, block=128)
    with pytest.raises(WriteError, match="seed was not given and is now 1"):
        writer(final, fingerprint={"input": "a.tif", "looks": "4.4", "seed": "1"})
    with writer(final) as w:  # and nothing was lost by asking
        assert w.done == {(0, 0)}
    w.partial.unlink()
    with writer(final, fingerprint={"input": "b.tif"}) as w:
        assert w.done == set()


def test_another_run_that_kept_nothing_is_in_nobodys_way(tmp_path):
    final = tmp_path / "o.tif"
    writer(final).__exit__(None, None, None)
    with writer(final, bands=2, block=128, fingerprint={"input": "b.tif"}) as w:
        assert w.done == set()


def test_two_runs_do_not_write_one_file(tmp_path):
    final = tmp_path / "o.tif"
    with writer(final):
        with pytest.raises(WriteError, match="another run is writing it now"):
            writer(final)
        with pytest.raises(WriteError, match="another run"):
            discard(final)
    writer(final).close()
    discard(final)
    assert list(tmp_path.iterdir()) == []
    discard(final)


# ------------------------------------------------------------------ the door, and disks that fill up


def test_a_finished_file_that_differs_never_gets_the_name(tmp_path, monkeypatch):
    final = tmp_path / "o.tif"
    final.write_bytes(b"the earlier one")
    copy = rasterio.shutil.copy

    def lossy(source, target, **options):
        copy(source, target, **options)
        with rasterio.open(target, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as d:
            d.write(np.zeros((1, 1, 1), np.float32), window=((149, 150), (209, 210)))

    monkeypatch.setattr(rasterio.shutil, "copy", lossy)
    with writer(final) as w:
        for place in places():
            put(w, scene(), place)
        with pytest.raises(
            WriteError, match=r"block \(2, 3\) does not come back as written.*12 finished blocks are kept"
        ):
            w.finish({})
        assert final.read_bytes() == b"the earlier one"
        monkeypatch.undo()
        shares = []
        w.finish({}, progress=shares.append)
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    with rasterio.open(final) as d:
        np.testing.assert_array_equal(d.read(), scene())
    assert list(tmp_path.iterdir()) == [final]


FULL = """
import resource, sys
from pathlib import Path
sys.path[:0] = {path!r}
import numpy as np
from test_write import places, scene, put, writer
from geo_io.errors import WriteError
from geo_io.grid import Grid

final, what = Path(sys.argv[1]), sys.argv[2]
pixels = scene(1, (600, 600))
try:
    with writer(final, Grid((600, 600))) as w:
        for place in places((600, 600)):
            if what == "block" and place == (3, 3):
                resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
            put(w, pixels, place)
        if what == "finish":
            resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
        w.finish({{}})
except WriteError as error:
    print(error)
    sys.exit(2)
"""


@pytest.mark.parametrize("what", ["block", "finish"])
def test_a_full_disk_gives_a_sentence_and_nothing_under_the_name(tmp_path, what):
    final = tmp_path / "o.tif"
    code = FULL.format(path=[str(Path(__file__).parent), str(Path(__file__).parents[2])])
    done = subprocess.run([sys.executable, "-c", code, str(final), what], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stdout.startswith(str(final))
    assert done.stdout.count("\n") == 1
    assert "run the same command again" in done.stdout
    assert not final.exists()
    with writer(final, Grid((600, 600))) as w:  # there is room again
        assert len(w.done) == (33 if what == "block" else 100)
        for place in set(places((600, 600))) - w.done:
            put(w, scene(1, (600, 600)), place)
        w.finish({})
    assert list(tmp_path.iterdir()) == [final]


def test_finishing_a_large_scene_takes_little_memory(tmp_path):
    code = (
        FULL.split("final, what")[0].format(path=[str(Path(__file__).parent), str(Path(__file__).parents[2])])
        + """
final = Path(sys.argv[1])
shape = (6144, 8192)
with writer(final, Grid(shape), block=512) as w:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for place in places(shape, 512):
        w.write(*place, np.full((1, 512, 512), place[0] + place[1] / 32, np.float32))
    w.finish({})
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "o.tif")], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 170  # MB, of a scene of 201


def test_a_file_that_came_up_during_the_run_is_left_alone(tmp_path):
    final = tmp_path / "o.tif"
    with writer(final) as w:
        for place in places():
            put(w, scene(), place)
        final.write_bytes(b"someone else's")
        with pytest.raises(WriteError, match=r"o\.tif was made by someone else .* goes on from .*o\.tif\.partial"):
            w.finish({})
        assert final.read_bytes() == b"someone else's"
    with writer(final) as w:
        assert len(w.done) == len(places())  # nothing is lost
        w.finish({})  # it was there before this one began: the caller's to check
    with writer(final.with_name("p.tif")) as w:
        for place in places():
            put(w, scene(), place)
        w.final.write_bytes(b"someone else's")
        w.finish({}, overwrite=True)
    for path in (final, w.final):
        with rasterio.open(path) as d:
            np.testing.assert_array_equal(d.read(), scene())


def test_wrong_blocks_and_settings_are_refused(tmp_path):
    with pytest.raises(ValueError, match="block must be a positive multiple of 16, got 100"):
        writer(tmp_path / "o.tif", block=100)
    with writer(tmp_path / "o.tif") as w:
        with pytest.raises(ValueError, match=r"block \(2, 3\) has shape \(1, 22, 18\), got \(1, 64, 64\)"):
            w.write(2, 3, np.zeros((1, 64, 64), np.float32))
        with pytest.raises(ValueError, match=r"there is no block \(3, 0\)"):
            w.write(3, 0, np.zeros((1, 64, 64), np.float32))
        with pytest.raises(ValueError, match="compression must be one of"):
            w.finish({}, "jpeg")
    with pytest.raises(WriteError, match=r"o\.tif cannot be begun: .*No such file"):
        writer(tmp_path / "missing" / "o.tif")


def test_outputs_that_would_do_harm_are_refused(tmp_path):
    source = tmp_path / "in.tif"
    source.write_bytes(b"pixels")
    (tmp_path / "link.tif").symlink_to(source)
    (tmp_path / "hard.tif").hardlink_to(source)
    safe = tmp_path / "S1.SAFE"
    (safe / "measurement").mkdir(parents=True)
    (tmp_path / "folder.tif").mkdir()
    (tmp_path / "old.tif").write_bytes(b"old")
    for name, sentence in (
        ("in.tif", "are the same file"),
        ("link.tif", "are the same file"),
        ("hard.tif", "are the same file"),
        ("S1.SAFE/measurement/o.tif", "inside the input"),
        ("folder.tif", "is a folder"),
        ("o.png", "ends in .tif or .tiff"),
        ("none/o.tif", "there is no folder"),
        ("x" * 240 + ".tif", "nothing can be written"),
    ):
        with pytest.raises(WriteError, match=sentence) as caught:
            check_output(tmp_path / name, [source, safe, tmp_path / "gone.tif"], overwrite=True)
        assert str(tmp_path / name) in str(caught.value)
    with pytest.raises(WriteError, match=r"old\.tif exists; give another name, or --overwrite"):
        check_output(tmp_path / "old.tif", [source])
    check_output(tmp_path / "old.tif", [source], overwrite=True)
    check_output(tmp_path / "new.TIFF", [source])
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "S1.SAFE", "folder.tif", "hard.tif", "in.tif", "link.tif", "old.tif"
    ]  # fmt: skip


def test_room_is_asked_for_before_work_begins(tmp_path):
    final = tmp_path / "o.tif"
    require_space(final, bands=1, shape=(1000, 1000), block=256)
    with pytest.raises(WriteError, match=r"o\.tif: writing 4 x 900000 x 900000 pixels takes up to 3\d TB"):
        require_space(final, bands=4, shape=(900_000, 900_000), block=256)
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(WriteError, match=r"besides [\d.]+ [MG]B of the other results"):
        require_space(final, bands=1, shape=(1000, 1000), block=256, promised=free)
