// Tables from stored int16 values to pixels: one look-up a pixel. A pixel is 0xAABBGGRR, as ImageData's
// bytes read on the little-endian machines that browsers run on.

const LEVELS = 65536;

function pixel(red, green, blue, alpha = 255) {
  return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

// Grey of a value: 0 at level - width / 2 and below, 255 at level + width / 2 and above, rounded between.
function greyTable(level, width, scale) {
  const table = new Uint32Array(LEVELS);
  const low = level - width / 2;
  for (let i = 0; i < LEVELS; i += 1) {
    const value = scale.zero + scale.step * (i - 32768);
    const grey = Math.min(255, Math.max(0, Math.round(((value - low) / width) * 255)));
    table[i] = pixel(grey, grey, grey);
  }
  return table;
}

// Colours at equal steps. Heat: dark to bright, so that more is lighter in grey print too. Signed: cyan
// through black to orange, told apart by people with any colour vision.
const HEAT = [[20, 11, 52], [87, 16, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]];
const SIGNED = [[190, 240, 255], [40, 160, 230], [10, 60, 120], [0, 0, 0], [130, 50, 0], [240, 130, 20], [255, 235, 170]];
const LABELS = [[255, 202, 58], [86, 180, 233], [255, 89, 94], [138, 201, 38], [204, 121, 167], [240, 228, 66], [0, 200, 170]];

function colourAt(stops, fraction) {
  const place = Math.min(1, Math.max(0, fraction)) * (stops.length - 1);
  const left = Math.min(stops.length - 2, Math.floor(place));
  return stops[left].map((value, i) => Math.round(value + (stops[left + 1][i] - value) * (place - left)));
}

function heatTable(overlay) {
  const [low, high] = overlay.range;
  const table = new Uint32Array(LEVELS);
  for (let i = 0; i < LEVELS; i += 1) {
    const value = overlay.scale.zero + overlay.scale.step * (i - 32768);
    const fraction = (value - low) / (high - low);
    const strength = low < 0 ? Math.abs(fraction - 0.5) * 2 : fraction;
    // What is near nothing stays clear, so that the anatomy under it can be read.
    const alpha = Math.round(255 * Math.min(1, Math.max(0, strength / 0.25)));
    table[i] = pixel(...colourAt(low < 0 ? SIGNED : HEAT, fraction), alpha);
  }
  return table;
}

function labelTable() {
  const table = new Uint32Array(LEVELS);
  for (let i = 32769; i < LEVELS; i += 1) table[i] = pixel(...LABELS[(i - 32769) % LABELS.length]);
  return table;
}

// Differences of two arms in their common step, symmetric about 0.
function differenceTable(span, scale, coloured) {
  const table = new Uint32Array(LEVELS);
  for (let i = 0; i < LEVELS; i += 1) {
    const fraction = (scale.step * (i - 32768)) / (2 * span) + 0.5;
    const grey = Math.min(255, Math.max(0, Math.round(fraction * 255)));
    table[i] = coloured ? pixel(...colourAt(SIGNED, fraction)) : pixel(grey, grey, grey);
  }
  return table;
}

// A bar of colours as a CSS gradient, low end at the bottom.
function gradient(stops) {
  const steps = Array.from({ length: 13 }, (_, i) => `rgb(${colourAt(stops, i / 12).join(" ")})`);
  return `linear-gradient(to top, ${steps.join(", ")})`;
}
