// What is drawn over the picture: crosshair, distances, regions, scale bar. Marks are kept as voxel indices
// of the full grid, so that they stay on the anatomy under zoom and stand in every arm at the same place.

const INK = { cross: "#7ee0ff", distance: "#ffd75e", roi: "#9dff8a", bar: "#ffffff" };

function drawMarks(state, pane) {
  const ratio = window.devicePixelRatio || 1;
  fit(pane.ink, pane, ratio);
  const context = pane.ink.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, pane.w, pane.h);
  context.font = "600 13px system-ui, sans-serif";
  context.textBaseline = "middle";
  if (crossIsShown(state)) drawCross(state, pane, context);
  for (const mark of state.marks) if (isOn(state, pane, mark)) DRAW[mark.kind](state, pane, context, mark);
  drawBar(state, pane, context);
}

function crossIsShown(state) {
  return state.layout === "planes" || state.tool === "cross";
}

// Whether a mark belongs to the slice that a pane shows.
function isOn(state, pane, mark) {
  return mark.plane === pane.plane && Math.round(mark.a[PLANES[pane.plane].normal]) === sliceOf(state, pane);
}

function toScreen(state, pane, index) {
  const { scale, left, top } = placement(state, pane);
  const [u, v] = toPlane(state.grid, pane.plane, index);
  return [left + u * scale, top + v * scale];
}

function line(context, colour, points) {
  for (const [style, width] of [["rgb(0 0 0 / 70%)", 3.5], [colour, 1.5]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.beginPath();
    points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.stroke();
  }
}

// Text on a dark plate, kept within the pane.
function plate(context, pane, text, x, y, colour) {
  const rows = text.split("\n");
  const w = Math.max(...rows.map((row) => context.measureText(row).width)) + 12;
  const h = rows.length * 17 + 6;
  const left = Math.max(2, Math.min(x, pane.w - w - 2));
  const top = Math.max(2, Math.min(y, pane.h - h - 2));
  context.fillStyle = "rgb(0 0 0 / 78%)";
  context.fillRect(left, top, w, h);
  context.fillStyle = colour;
  rows.forEach((row, i) => context.fillText(row, left + 6, top + 3 + 17 * (i + 0.5)));
}

function drawCross(state, pane, context) {
  const [x, y] = toScreen(state, pane, state.cross);
  const gap = 10; // the point itself stays free to look at
  context.globalAlpha = 0.8;
  context.strokeStyle = INK.cross;
  context.lineWidth = 1;
  context.beginPath();
  for (const [x0, y0, x1, y1] of [[0, y, x - gap, y], [x + gap, y, pane.w, y], [x, 0, x, y - gap], [x, y + gap, x, pane.h]]) {
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
  }
  context.stroke();
  context.globalAlpha = 1;
}

const DRAW = {
  distance(state, pane, context, mark) {
    const [a, b] = [toScreen(state, pane, mark.a), toScreen(state, pane, mark.b)];
    const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    const size = Math.hypot(dx, dy) || 1;
    const tick = ([x, y]) => [[x - (dy / size) * 6, y + (dx / size) * 6], [x + (dy / size) * 6, y - (dx / size) * 6]];
    line(context, INK.distance, [a, b]);
    line(context, INK.distance, tick(a));
    line(context, INK.distance, tick(b));
    const [x, y] = a[0] > b[0] ? a : b;
    plate(context, pane, markText(state, pane, mark), x + 8, y - 11, INK.distance);
  },
  roi(state, pane, context, mark) {
    const [a, b] = [toScreen(state, pane, mark.a), toScreen(state, pane, mark.b)];
    const centre = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const radius = [Math.abs(a[0] - b[0]) / 2, Math.abs(a[1] - b[1]) / 2];
    const points = Array.from({ length: 65 }, (_, i) => {
      const angle = (i / 32) * Math.PI;
      return [centre[0] + radius[0] * Math.cos(angle), centre[1] + radius[1] * Math.sin(angle)];
    });
    line(context, INK.roi, points);
    plate(context, pane, markText(state, pane, mark), centre[0] + radius[0] + 6, centre[1] - 20, INK.roi);
  },
};

// What a mark says in a pane; measured again only when it, the arm's voxels or the pane have changed.
function markText(state, pane, mark) {
  if (mark.kind === "distance") return `${distanceMm(state.grid, mark.a, mark.b).toFixed(1)} mm`;
  const key = [...mark.a, ...mark.b, pane.seen].join(" ");
  const known = pane.said.get(mark);
  if (known?.key === key) return known.text;
  const text = regionText(state, regionOf(state, pane, mark));
  pane.said.set(mark, { key, text });
  return text;
}

// Pixels whose centres lie in the ellipse that fills the rectangle a to b: mean, sample SD, count, area.
// They are the slice's own pixels where they are here, else block means (`block`). Difference panes measure
// the difference.
function regionOf(state, pane, mark) {
  const { grid } = state;
  const { normal, across, down } = PLANES[mark.plane];
  const slice = sliceOf(state, pane);
  const whole = wholeHere(state, pane, slice);
  const step = whole ? 1 : grid.factor;
  const stride = [across === 2 ? 1 : step, down === 2 ? 1 : step];
  const mid = [(mark.a[across] + mark.b[across]) / 2, (mark.a[down] + mark.b[down]) / 2];
  const half = [Math.abs(mark.a[across] - mark.b[across]) / 2, Math.abs(mark.a[down] - mark.b[down]) / 2];
  let [count, mean, square] = [0, 0, 0];
  const index = [0, 0, 0];
  index[normal] = slice;
  for (const p of centres(grid.size[across], stride[0], mid[0], half[0])) {
    for (const q of centres(grid.size[down], stride[1], mid[1], half[1])) {
      if (((p - mid[0]) / half[0]) ** 2 + ((q - mid[1]) / half[1]) ** 2 > 1) continue;
      index[across] = p;
      index[down] = q;
      const value = valueAt(state, pane, index)?.value;
      if (value === undefined) continue;
      count += 1;
      const delta = value - mean;
      mean += delta / count;
      square += delta * (value - mean);
    }
  }
  const area = Math.PI * half[0] * grid.spacing[across] * half[1] * grid.spacing[down];
  return { mean, sd: count > 1 ? Math.sqrt(square / (count - 1)) : 0, count, area, block: stride.some((n) => n > 1) };
}

// Indices of pixel centres on the full grid within half of mid; of blocks, where a pixel is a block.
function centres(size, stride, mid, half) {
  const out = [];
  for (let i = 0; i < size; i += stride) {
    const centre = (i + Math.min(size, i + stride) - 1) / 2; // the last block may be cut
    if (Math.abs(centre - mid) <= half) out.push(centre);
  }
  return out;
}

function regionText(state, region) {
  if (!region.count) return "no pixel inside";
  const unit = state.units;
  const kind = region.block ? ", block means" : "";
  return `mean ${shown(state, region.mean)} ${unit}\nSD ${shown(state, region.sd)} ${unit}\n${region.area.toFixed(0)} mm², n ${region.count}${kind}`;
}

// A bar of a round length, about a quarter of the pane.
function drawBar(state, pane, context) {
  const { scale } = placement(state, pane);
  const room = (Math.min(pane.w, pane.h) * 0.28) / scale;
  const lengths = [0.5, 1, 2, 5, 10, 20, 50, 100, 200];
  const mm = lengths.filter((length) => length <= room).pop() ?? lengths[0];
  const low = pane.w < 340 ? 70 : 30; // in a narrow pane above the text in the corner
  const [x, y, w] = [(pane.w - mm * scale) / 2, pane.h - low, mm * scale];
  pane.barMm = mm;
  line(context, INK.bar, [[x, y - 5], [x, y], [x + w, y], [x + w, y - 5]]);
  const text = `${mm} mm`;
  plate(context, pane, text, x + w / 2 - context.measureText(text).width / 2 - 6, y - 30, INK.bar);
}
