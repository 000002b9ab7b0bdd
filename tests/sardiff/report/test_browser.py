"""A page in headless Chromium: the divider moved, zoomed and panned by script; themes; a phone."""

import base64
import io
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from sardiff import plot

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium drives the browser: pip install selenium")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.actions.action_builder import ActionBuilder  # noqa: E402
from selenium.webdriver.common.actions.pointer_input import PointerInput  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="no Chromium with its chromedriver on this machine")

SIZE = (1280, 900)
PHONE = {"width": 390, "height": 844, "pixelRatio": 2.0, "touch": True}


@pytest.fixture(scope="module")
def driver():
    with opened() as browser:
        yield browser


def opened(phone=False):
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for word in ("headless=new", "no-sandbox", "disable-gpu", f"window-size={SIZE[0]},{SIZE[1]}"):
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    if phone:
        options.add_experimental_option("mobileEmulation", {"deviceMetrics": PHONE})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


class Viewer:
    """The viewer of a page, as someone in front of it sees it."""

    def __init__(self, driver, path):
        self.driver = driver
        driver.get_log("browser"), driver.get_log("performance")
        driver.get(path.as_uri())
        self.stage, self.divider = (driver.find_element(By.CSS_SELECTOR, f".viewer .{x}") for x in ("stage", "divider"))
        self.script("arguments[0].scrollIntoView({block: 'center'})", self.stage)
        self.wait()

    def wait(self):
        """Until the pictures are decoded and drawn."""
        self.driver.execute_async_script(
            "const done = arguments[0];"
            "Promise.all([...document.querySelectorAll('.side img')].map((i) => i.decode()))"
            ".then(() => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    @property
    def clip(self):
        """Percent of the stage that the left layer has."""
        said = self.script("return document.querySelector('.side.right').style.clipPath")
        return float(re.search(r"([\d.]+)%\)", said)[1])

    @property
    def place(self):
        """Left, top and width of the picture on the stage, in CSS pixels."""
        return self.script(
            "const i = document.querySelector('.side.left img').getBoundingClientRect(),"
            " s = document.querySelector('.stage').getBoundingClientRect();"
            " return [i.left - s.left, i.top - s.top, i.width]"
        )

    def press(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def focus(self):
        self.script("arguments[0].focus()", self.divider)

    def drag(self, start, by):
        """Drag from a share of the stage's size by CSS pixels."""
        size = self.stage.size
        at = [
            round((share - 0.5) * length) for share, length in zip(start, (size["width"], size["height"]), strict=True)
        ]
        chain = ActionChains(self.driver).move_to_element_with_offset(self.stage, *at).click_and_hold()
        chain.move_by_offset(*by).release().perform()

    def shown(self):
        """What is on the screen where the stage is, (rows, cols, 3)."""
        self.wait()
        picture = Image.open(io.BytesIO(self.stage.screenshot_as_png)).convert("RGB")
        return np.asarray(picture).astype(float)


@pytest.fixture
def viewer(driver, page):
    viewer = Viewer(driver, page)
    yield viewer
    errors = [entry for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert errors == []


def test_the_divider_moves_by_keyboard(viewer):
    assert viewer.clip == 50
    viewer.focus()
    viewer.press(Keys.ARROW_LEFT)
    assert viewer.clip == 48
    viewer.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.PAGE_UP)
    assert viewer.clip == 62
    assert viewer.divider.get_attribute("aria-valuenow") == "62"
    assert viewer.divider.get_attribute("aria-valuetext") == "62 % Before, the rest After"
    assert viewer.divider.get_attribute("role") == "slider"
    viewer.press(Keys.HOME)
    assert viewer.clip == 0
    viewer.press(Keys.END)
    assert viewer.clip == 100
    viewer.press("r")
    assert viewer.clip == 50


def test_the_divider_can_be_reached_by_tab_and_shows_its_focus(viewer):
    for _ in range(40):
        viewer.press(Keys.TAB)
        if viewer.script("return document.activeElement.className") == "divider":
            break
    else:
        pytest.fail("the divider cannot be reached")
    assert viewer.script("return getComputedStyle(document.activeElement, '::after').outlineStyle") == "solid"


def test_the_divider_moves_by_pointer_and_what_is_seen_changes(viewer):
    middle = viewer.shown()
    viewer.drag((0.5, 0.3), (-200, 0))
    width = viewer.script("return document.querySelector('.stage').clientWidth")
    assert viewer.clip == pytest.approx(50 - 100 * 200 / width, abs=0.3)
    moved = viewer.shown()
    changed = np.abs(moved - middle).max(axis=2) > 40
    left = round(width / 2 - 200)
    assert changed[:, left + 30 : left + 170].mean() > 0.2  # where after is now seen, and speckle was
    assert changed[:, : left - 30].mean() == 0
    assert changed[:, left + 260 :].mean() == 0
    assert viewer.script("return document.activeElement.className") == "divider"  # arrows go on from there


def test_it_zooms_to_single_pixels_around_a_place_and_pans(viewer):
    whole = viewer.place
    viewer.focus()
    viewer.press("+")
    assert viewer.place[2] == pytest.approx(1.35 * whole[2], rel=1e-3)
    viewer.press("-")
    assert viewer.place == pytest.approx(whole, abs=0.5)
    viewer.press(*"++++++++++++")
    assert viewer.script("return document.querySelector('.side.left img').className") == "crisp"
    scale = viewer.place[2] / 170
    assert scale > 30
    # One pixel of the scene is one even square: neighbours on the screen are the same but for its rims.
    part = viewer.shown()[100:300, 100:400]
    same = (np.abs(np.diff(part, axis=1)).max(axis=2) == 0).mean()
    assert same > 1 - 2.5 / scale
    before = viewer.place
    viewer.drag((0.25, 0.5), (60, -40))
    assert viewer.place[:2] == pytest.approx([before[0] + 60, before[1] - 40], abs=0.5)
    assert viewer.clip == 50
    ActionChains(viewer.driver).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT).key_up(Keys.SHIFT).perform()
    assert viewer.place[0] < before[0]
    assert viewer.clip == 50
    viewer.press("1")
    assert viewer.place[2] == pytest.approx(170, abs=0.5)  # one to one, though all of it would be larger
    viewer.press("r")
    assert viewer.place == pytest.approx(whole, abs=0.5)


def test_the_wheel_zooms_where_the_pointer_is_only_when_meant(viewer):
    wheel = (
        "const s = arguments[0], b = s.getBoundingClientRect();"
        "const e = new WheelEvent('wheel', {deltaY: -400, clientX: b.left + 700, clientY: b.top + 200,"
        " ctrlKey: arguments[1], bubbles: true, cancelable: true}); s.dispatchEvent(e); return e.defaultPrevented"
    )
    for _ in range(3):
        viewer.driver.find_element(By.CSS_SELECTOR, "[data-do='in']").click()
    before = viewer.place
    assert viewer.script(wheel, viewer.stage, False) is False  # the page scrolls
    assert viewer.place == before
    assert viewer.script(wheel, viewer.stage, True) is True
    left, _, width = viewer.place
    factor = width / before[2]
    assert factor == pytest.approx(np.exp(0.6), rel=1e-3)
    assert (699 - left) == pytest.approx((699 - before[0]) * factor, abs=2)  # what was under the pointer still is


def test_layers_and_views_are_chosen(viewer):
    (_, right) = viewer.driver.find_elements(By.CSS_SELECTOR, ".viewer select")
    before = viewer.shown()
    viewer.script("arguments[0].value = 'spread-0'; arguments[0].dispatchEvent(new Event('change'))", right)
    assert viewer.driver.find_element(By.CSS_SELECTOR, ".name.right").text == "Uncertainty"
    assert "dB" in viewer.driver.find_element(By.CSS_SELECTOR, ".legend.right .ends").text
    half = before.shape[1] // 2
    changed = np.abs(viewer.shown() - before).max(axis=2) > 20
    assert changed[:, half + 40 :].mean() > 0.2
    assert changed[40:, : half - 40].mean() == 0
    viewer.focus()
    viewer.press("n")
    pressed = [b.get_attribute("aria-pressed") for b in viewer.driver.find_elements(By.CSS_SELECTOR, ".views button")]
    assert pressed[:2] == ["false", "true"]
    viewer.driver.find_element(By.CSS_SELECTOR, "figure [data-layer='ratio-0']").click()
    assert viewer.driver.find_element(By.CSS_SELECTOR, ".name.right").text == "Ratio"


def test_values_are_read_where_the_pointer_is(viewer, scenes):
    import rasterio

    with rasterio.open(scenes / "clean.tif") as dataset:
        after_db = 10 * np.log10(dataset.read(1))
    scale = viewer.place[2] / 170
    size, said = viewer.stage.size, {}
    for row, col in ((22, 138), (110, 20), (25, 140), (66, 70)):
        x, y = viewer.place[0] + (col + 0.5) * scale, viewer.place[1] + (row + 0.5) * scale
        offset = round(x - size["width"] / 2), round(y - size["height"] / 2)
        ActionChains(viewer.driver).move_to_element_with_offset(viewer.stage, *offset).perform()
        words = viewer.driver.find_element(By.CSS_SELECTOR, ".readout").text.replace("\u2212", "-")
        assert words.startswith(f"row {row}, column {col}")
        assert f"x {400000 + 10 * col + 5}, y {5000000 - 10 * row - 5}" in words
        said[row] = words
    for row, col in ((22, 138), (110, 20)):
        assert float(re.search(r"After (-?[\d.]+) dB", said[row])[1]) == pytest.approx(after_db[row, col], abs=0.1)
    assert "After \u2265" in said[25]  # a bright point, beyond white
    assert "After: not measured" in said[66]


def test_light_and_dark(viewer):
    def ground():
        return np.mean(
            [
                int(n)
                for n in re.findall(r"\d+", viewer.script("return getComputedStyle(document.body).backgroundColor"))[:3]
            ]
        )

    button = viewer.driver.find_element(By.ID, "theme")
    for wanted in ("dark", "light"):
        viewer.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": wanted}]}
        )
        assert (ground() < 60) == (wanted == "dark")
    seen = []
    for _ in range(3):
        button.click()
        seen.append((button.text, ground() < 60))
    assert seen == [("Theme: light", False), ("Theme: dark", True), ("Theme: auto", False)]


def test_nothing_is_fetched_and_no_policy_is_broken(driver, page):
    Viewer(driver, page)
    asked = [
        entry["message"] for entry in driver.get_log("performance") if "Network.requestWillBeSent" in entry["message"]
    ]
    urls = set(re.findall(r'"url":"((?:https?|file|ftp|wss?):[^"]*)"', " ".join(asked)))
    assert urls == {page.as_uri()}
    assert driver.get_log("browser") == []
    broken = driver.execute_script(
        "return [...document.querySelectorAll('img[data-layer]')].filter((i) => !i.naturalWidth).length"
    )
    assert broken == 0


def test_hostile_words_do_nothing(driver, scenes, tmp_path, raster):
    from sardiff.report import write_report

    hostile = "\"'><img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'<\u2215script>"
    before = shutil.copy(scenes / "scene.tif", tmp_path / f"{hostile}.tif")
    after = shutil.copy(scenes / "clean.tif", tmp_path / f"b{hostile}.tif")
    Viewer(driver, write_report(before, after, tmp_path / "r.html", looks=1.0))
    assert driver.title.startswith("b\"'><img")
    assert driver.get_log("browser") == []


def test_a_phone_has_room_for_all_of_it(page):
    with opened(phone=True) as driver:
        viewer = Viewer(driver, page)
        for width in (320, PHONE["width"]):
            metrics = {"width": width, "height": PHONE["height"], "deviceScaleFactor": 2, "mobile": True}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            for part in ("document.documentElement", "document.querySelector('main')"):
                assert viewer.script(f"return {part}.scrollWidth") <= width
        viewer.wait()
        small = [
            b for b in driver.find_elements(By.CSS_SELECTOR, ".viewer .bar button, #theme") if b.size["height"] < 36
        ]
        assert small == []
        assert viewer.script("return getComputedStyle(document.querySelector('.stage')).touchAction") == "pan-y"
        finger = PointerInput("touch", "finger")
        actions = ActionBuilder(driver, mouse=finger)
        actions.pointer_action.move_to(viewer.stage, 0, 0).pointer_down().move_to(viewer.stage, -80, 4).pointer_up()
        actions.perform()
        assert viewer.clip == pytest.approx(50 - 100 * 80 / viewer.stage.size["width"], abs=1)
        viewer.press("r")
        whole = viewer.place
        pinch = ActionBuilder(driver)
        fingers = [pinch.add_pointer_input("touch", name) for name in ("one", "two")]
        for finger, side in zip(fingers, (-1, 1), strict=True):
            finger.create_pointer_move(x=side * 20, y=0, origin=viewer.stage)
            finger.create_pointer_down(button=0)
            finger.create_pointer_move(duration=200, x=side * 80, y=0, origin=viewer.stage)
            finger.create_pointer_up(button=0)
        pinch.perform()
        assert viewer.place[2] == pytest.approx(4 * whole[2], rel=0.1)
        assert viewer.script("return getComputedStyle(document.querySelector('.stage')).touchAction") == "none"


def test_a_notebook_shows_a_swipe_in_a_frame(driver, tmp_path):
    image = np.random.default_rng(0).gamma(1, 1, (60, 90))
    host = tmp_path / "notebook.html"
    host.write_text(
        f"<!doctype html><body>{plot.swipe(image, np.full_like(image, 1.0))._repr_html_()}", encoding="utf-8"
    )
    driver.get(host.as_uri())
    driver.switch_to.frame(driver.find_element(By.TAG_NAME, "iframe"))
    divider = driver.find_element(By.CLASS_NAME, "divider")
    driver.execute_script("arguments[0].focus()", divider)
    ActionChains(driver).send_keys(Keys.PAGE_UP).perform()
    assert divider.get_attribute("aria-valuenow") == "60"
    driver.switch_to.default_content()


def test_pictures_survive_the_way(driver, page):
    """What the browser decodes is what was encoded."""
    Viewer(driver, page)
    uri = driver.execute_script("return document.querySelector(\"img[data-layer='after-0']\").src")
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGBA"))
    seen = driver.execute_script(
        "const i = document.querySelector(\"img[data-layer='after-0']\"), c = document.createElement('canvas');"
        "c.width = i.naturalWidth; c.height = i.naturalHeight; const t = c.getContext('2d'); t.drawImage(i, 0, 0);"
        "return [...t.getImageData(0, 0, c.width, c.height).data]"
    )
    assert np.array_equal(np.array(seen, np.uint8).reshape(pixels.shape)[..., [0, 3]], pixels[..., [0, 3]])
