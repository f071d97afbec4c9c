// The pattern of the display check, at the screen's own pixels, and what the browser says of the screen.
// Grey levels are shares of the drive from black to white: 0 and 5 %, 100 and 95 %, a ramp of 11 steps.

const REPORT_MS = 200;
const CORNERS = [[0.2, 0.2], [0.8, 0.2], [0.2, 0.8], [0.8, 0.8]]; // as data.dark and data.light count them
const made = new WeakMap();

function grey(share) {
  const value = Math.round(255 * share);
  return `rgb(${value} ${value} ${value})`;
}

function field(context, x, y, side, ground, mark, corner) {
  context.fillStyle = grey(ground);
  context.fillRect(x, y, side, side);
  const [u, v] = CORNERS[corner];
  const small = Math.round(side / 5);
  context.fillStyle = grey(mark);
  context.fillRect(Math.round(x + u * side - small / 2), Math.round(y + v * side - small / 2), small, small);
}

function draw(canvas, data) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.parentElement.clientWidth;
  if (!width) return;
  const side = Math.min(240, Math.floor((width - 72) / 2));
  const height = side + 84;
  canvas.style.height = `${height}px`;
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = grey(0.27); // none of the steps
  context.fillRect(0, 0, width, height);
  const gap = Math.round((width - 2 * side) / 3);
  field(context, gap, 16, side, 0, 0.05, data.dark);
  field(context, width - gap - side, 16, side, 1, 0.95, data.light);
  for (let k = 0; k <= 10; k += 1) {
    const [a, b] = [k, k + 1].map((edge) => Math.round(gap + ((width - 2 * gap) * edge) / 11));
    context.fillStyle = grey(k / 10);
    context.fillRect(a, side + 32, b - a, 36);
  }
}

function facts() {
  return {
    width: window.innerWidth,
    height: window.innerHeight,
    ratio: window.devicePixelRatio || 1,
    depth: window.screen.colorDepth,
  };
}

export default function mount({ data, parentElement, setStateValue }) {
  let state = made.get(parentElement);
  if (!state) {
    const canvas = parentElement.querySelector("canvas");
    state = { canvas, stop: new AbortController(), text: "" };
    made.set(parentElement, state);
    const look = () => {
      draw(canvas, state.data);
      clearTimeout(state.later);
      state.later = setTimeout(() => {
        const text = JSON.stringify(facts());
        if (text !== state.text) state.setStateValue("screen", facts());
        state.text = text;
      }, REPORT_MS);
    };
    state.look = look;
    window.addEventListener("resize", look, { signal: state.stop.signal });
    state.watch = new ResizeObserver(look);
    state.watch.observe(canvas.parentElement);
  }
  Object.assign(state, { data, setStateValue });
  state.look();
  return () => {
    state.stop.abort();
    state.watch.disconnect();
    clearTimeout(state.later);
    made.delete(parentElement);
  };
}
