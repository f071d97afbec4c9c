// One pane's picture: values of a plane -> look-up table -> ImageData at the voxels' own size -> the canvas,
// where the browser interpolates. Every pane goes this one way, so all arms are interpolated alike.

// Values of a plane with the place of its first pixel: {values, w, h, mm: [mm a pixel across, down]}.
// Whole slices (full resolution) are used only where `whole` says that every shown arm has them.
function planeValues(state, store, plane, slice, whole) {
  const { grid } = state;
  const { normal } = PLANES[plane];
  const range = slabRange(state, plane, slice);
  if (plane === "axial") {
    const [nx, ny] = whole ? grid.size : grid.display;
    const step = whole ? 1 : grid.factor;
    const part = (z) =>
      whole ? store.whole.get(z) : store.have[z] ? store.voxels.subarray(z * nx * ny, (z + 1) * nx * ny) : null;
    const values = project(state, range, part, nx * ny);
    return { values, w: nx, h: ny, mm: [grid.spacing[0] * step, grid.spacing[1] * step] };
  }
  const along = normal === 1 ? store.nx : store.ny;
  const place = (i) => Math.floor(i / grid.factor);
  const cuts = [...new Set(range.map(place))];
  const values = project(state, cuts, (i) => cut(store, normal, i), along * store.nz);
  const across = PLANES[plane].across;
  return { values, w: along, h: store.nz, mm: [grid.spacing[across] * grid.factor, grid.spacing[2]] };
}

// Slices of the slab about the shown one, within the volume.
function slabRange(state, plane, slice) {
  const { normal } = PLANES[plane];
  const count = slabCount(state, plane);
  const first = Math.max(0, slice - Math.floor((count - 1) / 2));
  const last = Math.min(state.grid.size[normal] - 1, slice + Math.ceil((count - 1) / 2));
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

function slabCount(state, plane) {
  return Math.max(1, Math.round(state.slabMm / state.grid.spacing[PLANES[plane].normal]));
}

// A coronal (normal 1) or sagittal (normal 0) cut, head in the first row; slices not here yet stay black.
function cut(store, normal, i) {
  const { nx, ny, nz, voxels, have } = store;
  const along = normal === 1 ? nx : ny;
  const values = new Int16Array(along * nz).fill(-32768);
  for (let z = 0; z < nz; z += 1) {
    if (!have[z]) continue;
    const row = (nz - 1 - z) * along;
    const start = z * nx * ny + (normal === 1 ? i * nx : i);
    if (normal === 1) values.set(voxels.subarray(start, start + nx), row);
    else for (let y = 0; y < ny; y += 1) values[row + y] = voxels[start + y * nx];
  }
  return values;
}

// Mean or maximum over the parts that are here; null where none is.
function project(state, places, part, length) {
  const parts = places.map(part).filter(Boolean);
  if (parts.length < 2) return parts[0] ?? null;
  const out = new Float32Array(length);
  if (state.projection === "mip") {
    out.set(parts[0]);
    for (const values of parts.slice(1)) for (let i = 0; i < length; i += 1) if (values[i] > out[i]) out[i] = values[i];
    return out;
  }
  for (const values of parts) for (let i = 0; i < length; i += 1) out[i] += values[i];
  const inverse = 1 / parts.length;
  for (let i = 0; i < length; i += 1) out[i] *= inverse;
  return out;
}

// Whether to draw the slices' own pixels: all arms have them, and the screen has room. Below 0.6 of its
// pixels a voxel, block means are the better picture: bilinear drawing would skip voxels.
function wholeIsHere(state, pane, slice) {
  if (pane.plane !== "axial" || state.grid.factor === 1) return false;
  const room = placement(state, pane).scale * state.grid.spacing[0] * (window.devicePixelRatio || 1);
  if (room < 0.6) return false;
  const slices = slabRange(state, pane.plane, slice);
  return state.arms.every((arm) => slices.every((z) => arm.store.whole.has(z)));
}

function subtract(a, b) {
  const out = new Int16Array(a.length);
  for (let i = 0; i < a.length; i += 1) out[i] = Math.min(32767, Math.max(-32768, Math.round(a[i] - b[i])));
  return out;
}

// Values through a table into a canvas of the values' own size.
function paint(canvas, plane, table) {
  const context = canvas.getContext("2d");
  if (!canvas.image || canvas.width !== plane.w || canvas.height !== plane.h) {
    [canvas.width, canvas.height] = [plane.w, plane.h];
    canvas.image = context.createImageData(plane.w, plane.h); // kept: a new one for each slice costs more
  }
  const { image } = canvas;
  const pixels = new Uint32Array(image.data.buffer);
  const { values } = plane;
  if (values instanceof Int16Array) for (let i = 0; i < pixels.length; i += 1) pixels[i] = table[values[i] + 32768];
  else for (let i = 0; i < pixels.length; i += 1) pixels[i] = table[Math.round(values[i]) + 32768];
  context.putImageData(image, 0, 0);
}

// The layers of a pane, painted again only when what they show has changed.
function layersOf(state, pane) {
  const slice = sliceOf(state, pane);
  const whole = wholeIsHere(state, pane, slice);
  const wanted = [slice, whole, state.slabMm, state.projection, state.tables, pane.seen].join("/");
  if (pane.painted === wanted) return;
  pane.painted = wanted;
  pane.whole = whole;
  const values = (arm) => planeValues(state, state.arms[arm].store, pane.plane, slice, whole);
  const own = values(pane.arm);
  pane.layers = [];
  if (pane.minus !== null) {
    const first = values(pane.minus);
    const both = own.values && first.values;
    addLayer(pane, 0, { ...own, values: both && subtract(own.values, first.values) }, state.differenceTable);
  } else {
    addLayer(pane, 0, own, state.greyTable);
  }
  if (pane.other !== null) addLayer(pane, 1, values(pane.other), state.greyTable);
  const overlay = pane.minus === null ? overlayOf(state, pane.arm) : undefined;
  if (overlay) {
    addLayer(pane, 2, planeValues(state, overlay.store, pane.plane, slice, false), overlay.table);
  }
}

function addLayer(pane, place, plane, table) {
  if (!plane.values) return;
  pane.canvases[place] ??= document.createElement("canvas");
  paint(pane.canvases[place], plane, table);
  pane.layers[place] = { canvas: pane.canvases[place], w: plane.w * plane.mm[0], h: plane.h * plane.mm[1] };
}

// CSS pixels per mm, and the place of the picture's upper left corner in the pane.
function placement(state, pane) {
  const [w, h] = extent(state.grid, pane.plane);
  const { zoom, panU, panV } = state.looks[pane.plane];
  const scale = Math.min((pane.w - 8) / w, (pane.h - 8) / h) * zoom;
  return { scale, left: pane.w / 2 + (panU - w / 2) * scale, top: pane.h / 2 + (panV - h / 2) * scale };
}

function drawPane(state, pane) {
  layersOf(state, pane);
  const ratio = window.devicePixelRatio || 1;
  fit(pane.canvas, pane, ratio);
  const context = pane.canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = "#000";
  context.fillRect(0, 0, pane.w, pane.h);
  const { scale, left, top } = placement(state, pane);
  const [w, h] = extent(state.grid, pane.plane);
  const blit = (layer, from, to, alpha) => {
    if (!layer) return;
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, pane.h);
    context.clip();
    context.beginPath(); // blocks at the far borders reach over the volume's end: nothing is shown there
    context.rect(left, top, w * scale, h * scale);
    context.clip();
    context.globalAlpha = alpha;
    context.imageSmoothingEnabled = !(layer === pane.layers[2] && overlayOf(state, pane.arm).kind === "label");
    context.imageSmoothingQuality = "low"; // bilinear; "medium" makes mipmaps of every slice, at 4 times the cost
    context.drawImage(layer.canvas, left, top, layer.w * scale, layer.h * scale);
    context.restore();
  };
  const border = pane.other === null ? pane.w : state.divider * pane.w;
  blit(pane.layers[0], 0, border, 1);
  blit(pane.layers[1], border, pane.w, 1);
  blit(pane.layers[2], 0, pane.w, state.opacity);
}

function fit(canvas, pane, ratio) {
  const [w, h] = [Math.round(pane.w * ratio), Math.round(pane.h * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
}
