"use strict";
// Two layers of one place under a divider that moves: pointer, touch and keyboard; zoom and pan down to single pixels.
for (const root of document.querySelectorAll(".viewer")) {
  const one = (selector) => root.querySelector(selector);
  const facts = JSON.parse(one("script.facts").textContent);
  const stage = one(".stage"), divider = one(".divider"), readout = one(".readout"), line = one(".line");
  const sides = ["left", "right"].map((name) => ({
    name, box: one(`.side.${name}`), image: one(`.side.${name} img`), label: one(`.name.${name}`),
    choice: one(`select[data-side="${name}"]`), legend: one(`.legend.${name}`), layer: null,
  }));
  const layers = Object.fromEntries(facts.layers.map((layer) => [layer.key, layer]));
  const STEP = 1.35, MOST = 48; // CSS pixels that a pixel of an image may have
  let view = null, base = null, share = 50, scale = 1, x = 0, y = 0;

  const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const whole = () => Math.min(stage.clientWidth / view.width, stage.clientHeight / view.height);
  const plate = (v, key) => root.querySelector(`img[data-view="${v}"][data-layer="${key}"]`);

  // The least and the largest scale: all of it, or one to one where that is smaller; and single pixels.
  function ends() {
    const least = Math.min(stage.clientWidth / base.width, stage.clientHeight / base.height, whole(), 1);
    const finest = Math.max(...sides.map((s) => s.image.naturalWidth || 1)) / base.width;
    return [least, Math.max(MOST * finest, least)];
  }

  function draw() {
    scale = clamp(scale, ...ends());
    const [w, h] = [base.width * scale, base.height * scale];
    const keep = (at, length, room) => (length <= room ? (room - length) / 2 : clamp(at, room - length, 0));
    x = keep(x, w, stage.clientWidth);
    y = keep(y, h, stage.clientHeight);
    for (const s of sides) {
      Object.assign(s.image.style, { width: `${w}px`, height: `${h}px`, transform: `translate(${x}px, ${y}px)` });
      const size = (w / (s.image.naturalWidth || 1)) * devicePixelRatio;
      s.image.classList.toggle("crisp", size >= 2);
    }
    sides[1].box.style.clipPath = `inset(0 0 0 ${share}%)`;
    divider.style.left = `${share}%`;
    divider.setAttribute("aria-valuenow", Math.round(share));
    divider.setAttribute("aria-valuetext", `${Math.round(share)} % ${sides[0].label.textContent}, the rest ${sides[1].label.textContent}`);
    stage.classList.toggle("whole", scale <= whole() * 1.001);
    one(".zooms output").textContent = `${scale >= 0.095 ? Math.round(scale * 100) : (scale * 100).toPrecision(2)} %`;
    const row = view.line;
    line.hidden = row === null;
    if (row !== null) line.style.top = `${y + (row + 0.5 - base.row) * scale}px`;
  }

  function fit() {
    scale = whole();
    x = stage.clientWidth / 2 - (view.col - base.col + view.width / 2) * scale;
    y = stage.clientHeight / 2 - (view.row - base.row + view.height / 2) * scale;
    draw();
  }

  function zoom(factor, at) {
    const place = at || [stage.clientWidth / 2, stage.clientHeight / 2];
    const before = scale;
    scale = clamp(scale * factor, ...ends());
    x = place[0] - ((place[0] - x) * scale) / before;
    y = place[1] - ((place[1] - y) * scale) / before;
    draw();
  }

  function slide(to) {
    share = clamp(to, 0, 100);
    draw();
  }

  function choose(side, key) {
    const layer = layers[key];
    side.layer = layer;
    side.choice.value = key;
    side.label.textContent = layer.label;
    side.image.src = plate(facts.views.indexOf(base), key).src;
    side.image.decode().then(draw, draw);
    const [name, bar, ends] = side.legend.children;
    name.textContent = layer.label + (layer.about ? ` \u2013 ${layer.about}` : "");
    bar.hidden = ends.hidden = !layer.ramp;
    if (layer.ramp) {
      const shades = facts.ramps[layer.ramp];
      const stops = Array.from({ length: 9 }, (_, i) => `#${shades.substr(Math.round((i / 8) * (shades.length / 6 - 1)) * 6, 6)}`);
      bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
      [layer.low, value(layer, 0.5), layer.high].forEach((end, i) => {
        ends.children[i].textContent = said(end) + (i === 2 && layer.unit ? ` ${layer.unit}` : "");
      });
    }
    draw();
  }

  function show(index) {
    view = facts.views[index];
    base = facts.views[view.within];
    root.querySelectorAll(".views button").forEach((b, i) => b.setAttribute("aria-pressed", i === index));
    size();
    for (const s of sides) choose(s, s.layer ? s.layer.key : facts.pair[sides.indexOf(s)]);
    fit();
  }

  function size() {
    const room = Math.max(260, Math.min(innerHeight * 0.72, 900));
    stage.style.height = `${clamp((stage.clientWidth * view.height) / view.width, 220, room)}px`;
  }

  const value = (layer, t) => layer.log ? layer.low * (layer.high / layer.low) ** t : layer.low + t * (layer.high - layer.low);
  const said = (number) => {
    const digits = Math.abs(number) >= 100 ? 0 : Math.abs(number) >= 10 ? 1 : 2;
    return number.toFixed(digits).replace("-", "\u2212").replace(/\.0+$/, "");
  };

  // What a layer holds at a place, read back from the colour of its picture: to a shade's width.
  function sample(side, col, row) {
    const { image, layer } = side;
    if (!layer.ramp || !image.naturalWidth) return null;
    const at = [(col / base.width) * image.naturalWidth, (row / base.height) * image.naturalHeight];
    pixel.clearRect(0, 0, 1, 1);
    pixel.drawImage(image, Math.floor(at[0]), Math.floor(at[1]), 1, 1, 0, 0, 1, 1);
    const [r, g, b, alpha] = pixel.getImageData(0, 0, 1, 1).data;
    if (alpha === 0) return `${layer.label}: not measured`;
    const shades = facts.ramps[layer.ramp], hex = [r, g, b].map((c) => c.toString(16).padStart(2, "0")).join("");
    const count = shades.length / 6;
    for (let i = 0; i < count; i++) {
      if (shades.substr(i * 6, 6) !== hex) continue;
      const sign = i === 0 ? "\u2264 " : i === count - 1 ? "\u2265 " : "";
      return `${layer.label} ${sign}${said(value(layer, i / (count - 1)))}${layer.unit ? ` ${layer.unit}` : ""}`;
    }
    return null;
  }

  function read(event) {
    const [px, py] = within(event);
    const col = (px - x) / scale, row = (py - y) / scale;
    if (col < 0 || row < 0 || col >= base.width || row >= base.height) { readout.textContent = ""; return; }
    const c = Math.floor(col + base.col), r = Math.floor(row + base.row), words = [`row ${r}, column ${c}`];
    if (facts.transform) {
      const [a, b, left, d, e, top] = facts.transform;
      const digits = Math.abs(a) + Math.abs(b) < 0.1 ? 5 : 0;
      words.push(`x ${(a * (c + 0.5) + b * (r + 0.5) + left).toFixed(digits)}, y ${(d * (c + 0.5) + e * (r + 0.5) + top).toFixed(digits)}`);
    }
    for (const s of sides) { const found = sample(s, col, row); if (found) words.push(found); }
    readout.textContent = words.join("  \u00b7  ");
  }

  function within(event) {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left - stage.clientLeft, event.clientY - box.top - stage.clientTop];
  }

  const pointers = new Map();
  let doing = null, last = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    const at = within(event);
    pointers.set(event.pointerId, at);
    stage.setPointerCapture(event.pointerId);
    const near = Math.abs(at[0] - (share / 100) * stage.clientWidth) <= 22;
    doing = pointers.size > 1 ? "pinch" : near || stage.classList.contains("whole") ? "slide" : "pan";
    divider.focus({ preventScroll: true }); // keys go on from here
    stage.classList.toggle("grabbed", doing === "pan");
    last = at;
    read(event);
  });
  stage.addEventListener("mousedown", (event) => event.preventDefault()); // would take the focus away again
  stage.addEventListener("pointermove", (event) => {
    const at = within(event);
    read(event);
    if (!pointers.has(event.pointerId)) return;
    const old = [...pointers.values()];
    pointers.set(event.pointerId, at);
    if (doing === "slide") slide((at[0] / stage.clientWidth) * 100);
    if (doing === "pan") { x += at[0] - last[0]; y += at[1] - last[1]; draw(); }
    if (doing === "pinch" && pointers.size === 2) {
      const now = [...pointers.values()], gap = (p) => Math.hypot(p[0][0] - p[1][0], p[0][1] - p[1][1]) || 1;
      const middle = (p) => [(p[0][0] + p[1][0]) / 2, (p[0][1] + p[1][1]) / 2];
      x += middle(now)[0] - middle(old)[0];
      y += middle(now)[1] - middle(old)[1];
      zoom(gap(now) / gap(old), middle(now));
    }
    last = at;
  });
  const release = (event) => {
    pointers.delete(event.pointerId);
    doing = null;
    stage.classList.remove("grabbed");
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("dblclick", (event) => zoom(2, within(event)));
  stage.addEventListener("wheel", (event) => {
    // The page scrolls, unless the viewer is meant: it has the focus, or Ctrl is held.
    if (!(event.ctrlKey || event.metaKey || stage.contains(document.activeElement))) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), within(event));
  }, { passive: false });

  const actions = {
    in: () => zoom(STEP), out: () => zoom(1 / STEP), fit,
    one: () => zoom(1 / scale),
    reset: () => { share = 50; fit(); },
  };
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.do) actions[button.dataset.do]();
    if (button.dataset.show) show(Number(button.dataset.show));
    if (button.dataset.plate) {
      const image = button.querySelector("img");
      show(Number(image.dataset.view));
      choose(sides[1], image.dataset.layer);
      stage.scrollIntoView({ block: "nearest" });
    }
  });
  for (const s of sides) s.choice.addEventListener("change", () => choose(s, s.choice.value));
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const far = stage.clientWidth / 8;
    const moved = { ArrowLeft: [far, 0], ArrowRight: [-far, 0], ArrowUp: [0, far], ArrowDown: [0, -far] }[event.key];
    const slid = {
      ArrowLeft: share - 2, ArrowDown: share - 2, ArrowRight: share + 2, ArrowUp: share + 2,
      PageDown: share - 10, PageUp: share + 10, Home: 0, End: 100,
    }[event.key];
    const index = facts.views.indexOf(view), count = facts.views.length;
    if (moved && event.shiftKey) { x += moved[0]; y += moved[1]; draw(); }
    else if (slid !== undefined) slide(slid);
    else if (event.key === "+" || event.key === "=") zoom(STEP);
    else if (event.key === "-" || event.key === "_") zoom(1 / STEP);
    else if (event.key === "1") actions.one();
    else if (event.key === "0") fit();
    else if (event.key === "r" || event.key === "R") actions.reset();
    else if (event.key === "n" || event.key === "N") show((index + 1) % count);
    else if (event.key === "p" || event.key === "P") show((index + count - 1) % count);
    else return;
    event.preventDefault();
  });
  let width = 0;
  new ResizeObserver(() => {
    if (stage.clientWidth === width) return; // the height is ours
    width = stage.clientWidth;
    size();
    fit();
  }).observe(stage);
  show(0);
}
