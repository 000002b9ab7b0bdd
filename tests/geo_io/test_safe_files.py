import stat
import zipfile

import pytest

from geo_io.errors import ReadError, UnsafeInput
from geo_io.safe_files import MAX_XML_BYTES, is_safe, open_files, parse_xml, read_manifest

MANIFEST = """<XFDU><dataObjectSection><dataObject ID="x" repID="s1Level1MeasurementSchema"><byteStream>
<fileLocation locatorType="URL" href="{href}"/></byteStream></dataObject></dataObjectSection></XFDU>"""
MEASUREMENT = "measurement/s1a-iw-grd-vv-20211223t051122-20211223t051147-030148-039993-001.tiff"
BOMB = '<!DOCTYPE a [<!ENTITY b "boom"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>'


def product(folder, manifest):
    root = folder / "X.SAFE"
    root.mkdir(exist_ok=True)
    (root / "manifest.safe").write_text(manifest)
    return root


def test_images_are_read_off_the_manifest(tmp_path):
    (image,) = read_manifest(open_files(product(tmp_path, MANIFEST.format(href=f"./{MEASUREMENT}")))).images
    assert (image.polarisation, image.swath, image.measurement, image.noise) == ("vv", "iw", MEASUREMENT, None)
    assert image.calibration.startswith("annotation/calibration/calibration-s1a-iw-grd-vv-")


@pytest.mark.parametrize(
    "href",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "measurement/../../x.tiff",
        "file:///etc/passwd",
        "https://example.org/x.tiff",
        "..\\x.tiff",
        "",
        "./",
    ],
)
def test_a_reference_that_leaves_the_product_is_refused(tmp_path, href):
    with pytest.raises(UnsafeInput, match=r"manifest\.safe refers to .*not a file inside the product"):
        read_manifest(open_files(product(tmp_path, MANIFEST.format(href=href))))


def test_a_link_that_leaves_the_product_is_refused(tmp_path):
    (tmp_path / "secret.xml").write_text("<a/>")
    root = product(tmp_path, "<a/>")
    (root / "inside.xml").symlink_to(root / "manifest.safe")
    (root / "outside.xml").symlink_to(tmp_path / "secret.xml")
    files = open_files(root)
    assert files.read("inside.xml") == b"<a/>"
    for ask in (files.read, files.has, files.gdal_path, files.stamp):
        with pytest.raises(UnsafeInput, match=r"outside\.xml leads outside the product"):
            ask("outside.xml")


@pytest.mark.parametrize("text", [BOMB, '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "<!DOCTYPE a><a/>"])
def test_xml_with_a_document_type_is_refused(tmp_path, text):
    with pytest.raises(UnsafeInput, match=r"manifest\.safe declares a document type or entities"):
        read_manifest(open_files(product(tmp_path, text)))


@pytest.mark.parametrize("text", ["", "<a><b></a>", "\0", '<?xml version="1.0" encoding="none-such"?><a/>'])
def test_damaged_xml_is_refused_by_name(text):
    with pytest.raises(ReadError, match=r"^calibration\.xml is not whole XML \(.*download the product again$"):
        parse_xml(text.encode(), "calibration.xml")


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ("<XFDU/>", "lists no Level-1 measurement"),
        (MANIFEST.format(href="measurement/s1a-iw-ocn-vv-2021.tiff"), "not named as a Sentinel-1 GRD or SLC"),
    ],
)
def test_other_products_are_refused(tmp_path, manifest, said):
    with pytest.raises(ReadError, match=said):
        read_manifest(open_files(product(tmp_path, manifest)))


def test_what_is_no_product_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    for name, said in (
        ("empty", "holds no manifest.safe"),
        ("absent", "does not exist"),
        ("text.zip", "neither a product folder nor a whole zip file"),
        ("other.zip", "holds no manifest.safe"),
    ):
        with pytest.raises(ReadError, match=f"{name} {said}|{name} is {said}"):
            open_files(tmp_path / name)


def write_zip(path, *members, **named):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in ("X.SAFE/manifest.safe", *members):
            archive.writestr(member, named.get("content", "<a/>"))
    return path


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("X.SAFE/../../x", "leads outside"),
        ("/etc/x", "leads outside"),
        ("..\\x", "leads outside"),
        ("C:\\x", "leads outside"),
        (link("X.SAFE/measurement"), "a symbolic link"),
    ],
)
def test_a_zip_with_names_that_lead_outside_is_refused(tmp_path, member, said):
    with pytest.raises(UnsafeInput, match=f"holds .*{said}"):
        open_files(write_zip(tmp_path / "x.zip", member))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_that_says_one_name_twice_is_refused(tmp_path):
    with pytest.raises(UnsafeInput, match="more than once"):
        open_files(write_zip(tmp_path / "x.zip", "X.SAFE/a.xml", "X.SAFE/a.xml"))


def test_a_zip_of_two_products_is_refused(tmp_path):
    with pytest.raises(ReadError, match="holds 2 products"):
        open_files(write_zip(tmp_path / "x.zip", "Y.SAFE/manifest.safe"))


def test_xml_that_inflates_absurdly_is_not_unpacked(tmp_path):
    path = write_zip(tmp_path / "x.zip", content=b" " * (MAX_XML_BYTES + 1))
    assert path.stat().st_size < 200_000
    with pytest.raises(UnsafeInput, match="more than any Sentinel-1 annotation"):
        open_files(path).read("manifest.safe")
    root = product(tmp_path, "")
    with (root / "manifest.safe").open("wb") as file:
        file.truncate(MAX_XML_BYTES + 1)
    with pytest.raises(UnsafeInput, match="more than any Sentinel-1 annotation"):
        open_files(root).read("manifest.safe")


def test_a_zip_cut_short_is_refused(make_safe, tmp_path):
    path = make_safe().zipped(tmp_path / "product.zip")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 500])
    assert is_safe(path)  # so that whoever opens it hears why not
    with pytest.raises(ReadError, match=r"product\.zip is neither .* nor a whole zip file \(.*download it again$"):
        open_files(path)


def test_a_zip_with_a_damaged_member_is_refused(make_safe, tmp_path):
    path = make_safe().zipped(tmp_path / "product.zip")
    with zipfile.ZipFile(path) as archive:
        (info,) = [i for i in archive.infolist() if i.filename.endswith("manifest.safe")]
    damaged = bytearray(path.read_bytes())
    start = info.header_offset + 30 + len(info.filename) + 20
    damaged[start : start + 20] = bytes(20)
    path.write_bytes(damaged)
    with pytest.raises(ReadError, match=r"cannot unpack manifest\.safe"):
        open_files(path).read("manifest.safe")


def test_is_safe_tells_products_from_other_things(make_safe, tmp_path):
    made = make_safe()
    renamed = tmp_path / "plain"
    renamed.mkdir()
    (renamed / "manifest.safe").write_text("<a/>")
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.tif", "a")
    (tmp_path / "a.tif").write_bytes(b"II*\0")
    products = [made.path, made.path / "manifest.safe", made.zipped(tmp_path / "p.zip"), renamed, "gone.SAFE"]
    assert all(map(is_safe, products))
    assert not any(map(is_safe, [other, tmp_path / "a.tif", tmp_path, tmp_path / "gone.tif", tmp_path / "gone.zip"]))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (8, 99, "is packed in an unusual way; unpack it first"),  # a method that nobody knows
        (6, 0x01, "encrypted; unpack it first"),
        (6, 0x20, r"cannot unpack manifest\.safe: .*; download the product again"),  # patched data
        (6, 0x40, r"cannot unpack manifest\.safe: .*; download the product again"),  # strongly encrypted
    ],
)
def test_a_member_that_cannot_be_unpacked_is_refused(tmp_path, place, value, message):
    path = write_zip(tmp_path / "x.zip")
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\x01\x02")
    for start in (place, central + place + 2):  # said in the member's own header and in the directory
        content[start : start + 2] = value.to_bytes(2, "little")
    path.write_bytes(content)
    with pytest.raises(ReadError, match=rf"x\.zip.* {message}"):
        open_files(path).read("manifest.safe")
