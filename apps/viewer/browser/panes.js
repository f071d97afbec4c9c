// The panes of a layout: how many, where, which arm and plane, and the texts in their corners.

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text; // texts of callers never become HTML
  return made;
}

// The panes that layout and mode ask for: {plane, arm, minus: arm subtracted, other: arm right of the divider}.
function wantedPanes(state) {
  const { arms, mode, plane, second } = state;
  const pair = (pane) => {
    if (mode === "swipe" && arms.length > 1) return { ...pane, arm: 0, other: second };
    if (mode === "difference" && pane.arm > 0) return { ...pane, minus: 0 };
    return pane;
  };
  const blank = { minus: null, other: null };
  if (state.layout === "planes") {
    const arm = mode === "side" ? state.arm : second;
    return Object.keys(PLANES).map((name) => pair({ ...blank, plane: name, arm }));
  }
  if (mode === "swipe" && arms.length > 1) return [pair({ ...blank, plane, arm: 0 })];
  return arms.map((_, arm) => pair({ ...blank, plane, arm }));
}

function buildPanes(state) {
  const wanted = wantedPanes(state);
  state.stage.replaceChildren();
  state.stage.dataset.layout = state.layout;
  state.panes = wanted.map((facts) => buildPane(state, facts));
  arrange(state);
}

function buildPane(state, facts) {
  const box = element("div", "pane");
  const pane = { ...facts, box, canvases: [], layers: [], painted: "", seen: 0, said: new Map(), w: 1, h: 1 };
  pane.canvas = element("canvas", "picture");
  pane.ink = element("canvas", "ink");
  pane.canvas.setAttribute("role", "img");
  box.append(pane.canvas, pane.ink);
  pane.texts = {};
  for (const name of ["who", "where", "how", "value", "left", "right", "top", "bottom", "wait", "said"]) {
    pane.texts[name] = element("div", `text ${name}`);
    box.append(pane.texts[name]);
  }
  const border = borderLetters(state.grid, pane.plane);
  for (const side of ["left", "right", "top", "bottom"]) pane.texts[side].textContent = border[side];
  pane.bar = buildBar(state, pane);
  if (pane.bar) box.append(pane.bar);
  if (pane.other !== null) box.append(buildDivider(state, pane));
  state.stage.append(box);
  listenToPane(state, pane);
  return pane;
}

function nameOf(state, arm) {
  const { letter, label } = state.arms[arm];
  if (state.data.blinded) return letter;
  return state.arms.length > 1 ? `${letter}  ${label}` : label;
}

function paneTitle(state, pane) {
  if (pane.minus !== null) return `${state.arms[pane.arm].letter} − ${state.arms[pane.minus].letter}  difference`;
  if (pane.other !== null) return `${state.arms[pane.arm].letter} | ${state.arms[pane.other].letter}  swipe`;
  return nameOf(state, pane.arm);
}

function whoText(state, pane) {
  const number = state.data.presentation;
  const rows = [paneTitle(state, pane)];
  if (state.data.blinded && number !== null) rows.push(`Presentation ${number}`);
  for (const [word, key] of [["Case", "case"], ["Frame", "frame"]]) {
    // Of every image in the pane: two of one grid may be of two cases.
    const shown = [pane.arm, pane.minus, pane.other].filter((arm) => arm !== null);
    const named = new Set(shown.map((arm) => state.arms[arm][key]));
    for (const one of named) if (one) rows.push(`${word} ${one}`);
  }
  return rows.join("\n");
}

function whereText(state, pane, slice) {
  const { normal } = PLANES[pane.plane];
  const count = slabCount(state, pane.plane);
  const thick = state.grid.spacing[normal];
  const slab = `${{ mean: "mean", mip: "MIP" }[state.projection]} of ${(count * thick).toFixed(1)} mm`;
  return [
    `${NAMES[pane.plane]} ${slice + 1} / ${state.grid.size[normal]}`,
    slicePosition(state.grid, pane.plane, slice),
    count > 1 ? slab : `slice ${thick.toFixed(thick < 1 ? 2 : 1)} mm`,
  ].join("\n");
}

function howText(state, pane) {
  const { zoom } = state.looks[pane.plane];
  if (pane.minus !== null) return `±${shown(state, state.span)} ${state.units}\nzoom ${zoom.toFixed(2)}`;
  const reduced = pane.plane === "axial" ? state.grid.factor > 1 && !pane.whole : state.grid.factor > 1;
  const block = reduced ? `\n${state.grid.factor} × ${state.grid.factor} means` : "";
  return `L ${shown(state, state.level)}  W ${shown(state, state.width)}\nzoom ${zoom.toFixed(2)}${block}`;
}

// A number with the digits that its unit needs.
function shown(state, value) {
  const digits = state.units === "HU" ? 0 : Math.max(0, 2 - Math.floor(Math.log10(state.first.width)));
  const text = value.toFixed(Math.min(6, digits));
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

// Value of a pane at a voxel index: of the arm, or of the difference. null where it is not here.
function valueAt(state, pane, index, arm = pane.arm) {
  if (!inside(state.grid, index)) return null;
  const found = storedAt(state.arms[arm].store, state.grid, index);
  if (!found) return null;
  const value = state.scale.zero + state.scale.step * found.value;
  if (pane.minus === null || arm !== pane.arm) return { value, block: found.block };
  const first = valueAt(state, pane, index, pane.minus);
  return first && { value: value - first.value, block: found.block };
}

function wholeHere(state, pane, slice) {
  return pane.plane === "axial" && state.arms.every((arm) => arm.store.whole.has(slice));
}

// The point whose value is shown: under the mouse, else the crosshair's.
function probe(state, pane) {
  const point = state.hover ? state.hover.index : crossIsShown(state) ? state.cross : null;
  if (!point || (state.hover && state.hover.plane !== pane.plane)) return null;
  const index = [...point];
  index[PLANES[pane.plane].normal] = sliceOf(state, pane);
  return index;
}

function valueText(state, pane) {
  const index = probe(state, pane);
  const found = index && valueAt(state, pane, index, pane.arm);
  if (!found) return "";
  const other = pane.other === null ? null : valueAt(state, pane, index, pane.other);
  const both = other ? ` | ${shown(state, other.value)}` : "";
  return `${shown(state, found.value)}${both} ${state.units}${found.block ? " (block)" : ""}`;
}

function writeTexts(state, pane) {
  const slice = sliceOf(state, pane);
  const write = (name, text) => {
    if (pane.texts[name].textContent !== text) pane.texts[name].textContent = text;
  };
  write("who", whoText(state, pane));
  write("where", whereText(state, pane, slice));
  write("how", howText(state, pane));
  write("value", valueText(state, pane));
  write("wait", pane.layers[0] ? "" : "loading");
  // For readers who do not see the picture: the measurements that are drawn on it.
  write("said", state.marks.filter((mark) => isOn(state, pane, mark)).map((mark) => markText(state, pane, mark)).join("\n"));
  pane.box.dataset.slice = slice;
  pane.canvas.setAttribute("aria-label", `${paneTitle(state, pane)}, ${NAMES[pane.plane]} slice ${slice + 1}`);
}

// Bar of colours with its ends in numbers: of the difference, or of the heat map.
function buildBar(state, pane) {
  const overlay = overlayOf(state, pane.arm);
  const heat = overlay && overlay.kind === "heat";
  if (pane.minus === null && !heat) return null;
  const bar = element("div", "bar");
  const [low, high] = pane.minus === null ? overlay.range : [-state.span, state.span];
  const unit = pane.minus === null ? overlay.units : state.units;
  const grey = [[0, 0, 0], [255, 255, 255]];
  const stops = pane.minus === null ? (low < 0 ? SIGNED : HEAT) : state.coloured ? SIGNED : grey;
  const strip = element("div", "strip");
  strip.style.background = gradient(stops);
  const top = `${low < 0 ? "+" : ""}${barNumber(high)} ${unit}`;
  bar.append(element("span", "", top), strip, element("span", "", barNumber(low)));
  bar.setAttribute("aria-label", `colours from ${low} to ${high} ${unit}`);
  return bar;
}

function barNumber(value) {
  return String(Number(value.toPrecision(3))).replace("-", "−");
}

function buildDivider(state, pane) {
  const divider = element("div", "divider");
  divider.tabIndex = 0;
  divider.setAttribute("role", "slider");
  divider.setAttribute("aria-label", "Divider between the two images");
  divider.setAttribute("aria-valuemin", "0");
  divider.setAttribute("aria-valuemax", "100");
  for (const [side, arm] of [["west", pane.arm], ["east", pane.other]]) {
    divider.append(element("span", `tag ${side}`, state.arms[arm].letter));
  }
  pane.divider = divider;
  return divider;
}

// Give every pane its place: the number of columns with which the pictures are largest.
function arrange(state) {
  const { stage, panes } = state;
  const [w, h] = [stage.clientWidth, stage.clientHeight];
  if (!w || !h) return;
  const [pw, ph] = extent(state.grid, panes[0].plane);
  const gap = 4;
  const places = state.layout === "planes" ? planesPlaces(w, h, gap) : armsPlaces(panes.length, w, h, pw / ph, gap);
  panes.forEach((pane, i) => {
    const [left, top, width, height] = places[i];
    Object.assign(pane.box.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
    [pane.w, pane.h] = [width, height];
  });
}

function armsPlaces(count, w, h, aspect, gap) {
  let best = [0, 1];
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const size = Math.min((w - gap * (columns - 1)) / columns / aspect, (h - gap * (rows - 1)) / rows);
    if (size > best[0] * 1.02 || (size > best[0] * 0.98 && columns > best[1])) best = [size, columns];
  }
  const columns = best[1];
  const rows = Math.ceil(count / columns);
  const [pw, ph] = [Math.floor((w - gap * (columns - 1)) / columns), Math.floor((h - gap * (rows - 1)) / rows)];
  return Array.from({ length: count }, (_, i) => [(i % columns) * (pw + gap), Math.floor(i / columns) * (ph + gap), pw, ph]);
}

function planesPlaces(w, h, gap) {
  const left = Math.floor((w - gap) * 0.56);
  const half = Math.floor((h - gap) / 2);
  const right = w - gap - left;
  if (w < h * 1.1) {
    const top = Math.floor((h - gap) * 0.6);
    const column = Math.floor((w - gap) / 2);
    return [[0, 0, w, top], [0, top + gap, column, h - top - gap], [column + gap, top + gap, w - column - gap, h - top - gap]];
  }
  return [[0, 0, left, h], [left + gap, 0, right, half], [left + gap, half + gap, right, h - half - gap]];
}
