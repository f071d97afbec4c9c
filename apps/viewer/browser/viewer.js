// One instance of the viewer: drawing, reporting to Python, building, and the mount that Streamlit calls.

const REPORT_MS = 300; // after the last change, one report to Python
const instances = new WeakMap(); // shadow root -> state

// Draw in the next frame; several wishes within a frame are one drawing.
function redraw(state) {
  if (state.frame) return;
  state.frame = requestAnimationFrame(() => {
    state.frame = 0;
    draw(state);
  });
}

function draw(state) {
  const begin = performance.now();
  // Blinded, no image is seen before the other: which one comes first must not be a sign.
  const held = state.data.blinded && loadedFraction(state.loader) < 1;
  for (const pane of state.panes) {
    if (!held) drawPane(state, pane);
    drawMarks(state, pane);
    writeTexts(state, pane);
    if (pane.divider) pane.divider.style.left = `${state.divider * 100}%`;
    if (pane.divider) pane.divider.setAttribute("aria-valuenow", String(Math.round(state.divider * 100)));
  }
  state.position.textContent = positionText(state);
  state.times.push(performance.now() - begin);
  if (state.times.length > 500) state.times.shift();
  if (!state.root.dataset.drawn && state.panes.every((pane) => pane.layers[0])) {
    state.root.dataset.drawn = "1";
    if (state.data.blinded) report(state, 0); // the reader's time begins
  }
}

function report(state, delay = REPORT_MS) {
  clearTimeout(state.reporting);
  state.reporting = setTimeout(() => {
    const plane = state.layout === "planes" ? activePane(state).plane : state.plane;
    const view = {
      layout: state.layout,
      plane,
      z: Math.round(state.cross[PLANES[plane].normal]),
      level: state.level,
      width: state.width,
      zoom: state.looks[plane].zoom,
      mode: state.mode,
      slab_mm: state.slabMm,
      projection: state.projection,
      drawn: Boolean(state.root.dataset.drawn),
    };
    const text = JSON.stringify(view);
    if (text === state.reported) return;
    state.reported = text;
    state.setStateValue("view", view);
  }, delay);
}

function voxelsCame(state, a, b) {
  for (const pane of state.panes) {
    const slices = slabRange(state, pane.plane, sliceOf(state, pane));
    if (pane.plane !== "axial" || slices.some((z) => z >= a && z < b)) pane.seen += 1;
  }
  const fraction = loadedFraction(state.loader);
  state.progress.style.width = `${fraction * 100}%`;
  state.progress.parentElement.setAttribute("aria-valuenow", String(Math.round(fraction * 100)));
  state.progress.parentElement.classList.toggle("done", fraction === 1);
  if (fraction === 1) state.root.dataset.loaded = "1";
  if (state.loader.failed) state.notice.textContent = state.loader.failed;
  redraw(state);
}

function build(state) {
  const { root } = state;
  const bar = element("div", "progress");
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-label", "Slices loaded");
  state.progress = element("div");
  bar.append(state.progress);
  state.stage = element("div", "stage");
  state.position = element("span", "position");
  state.notice = element("span", "notice");
  state.notice.setAttribute("role", "status");
  state.sheet = buildSheet(state);
  const foot = element("div", "foot");
  foot.append(
    element("span", "", "Radiological view: patient's right on the left of the screen"),
    state.notice,
    state.position,
    element("span", "", "Research use only: not for diagnosis"),
  );
  const controls = buildControls(state);
  const slider = buildSlider(state);
  root.style.minHeight = `${state.data.height}px`;
  root.replaceChildren(controls, bar, state.stage, slider, foot, state.sheet);
  state.loader = makeLoader(
    [...state.arms, ...state.overlays].map((source) => source.store),
    state.grid,
    () => (state.own ? activeSlice(state) : state.cross[2]),
    (a, b) => voxelsCame(state, a, b),
    () => state.setTriggerValue("lost", true),
  );
  makeTables(state);
  buildPanes(state);
  root.addEventListener("keydown", (event) => pressedKey(state, event), { signal: state.stop.signal });
  state.watch = new ResizeObserver(() => {
    arrange(state);
    redraw(state);
  });
  state.watch.observe(state.stage);
  refreshControls(state);
  redraw(state);
  pump(state.loader);
}

function activeSlice(state) {
  return state.own[activePane(state).arm][2];
}

function close(state) {
  state.stop.abort();
  state.loader.stop.abort();
  state.watch.disconnect();
  clearTimeout(state.cine);
  clearTimeout(state.reporting);
  cancelAnimationFrame(state.frame);
}

// Streamlit calls this for a new instance and whenever `data` has changed: other images, another state.
export default function mount({ data, parentElement, setStateValue, setTriggerValue }) {
  let state = instances.get(parentElement);
  const text = JSON.stringify(data);
  if (!state || state.text !== text) {
    if (state) close(state);
    const root = parentElement.querySelector(".viewer");
    for (const name of ["drawn", "loaded"]) delete root.dataset[name];
    state = makeState(root, data);
    Object.assign(state, { text, setStateValue, setTriggerValue });
    instances.set(parentElement, state);
    root.viewer = state;
    build(state);
  }
  Object.assign(state, { setStateValue, setTriggerValue });
  return () => {
    close(state);
    instances.delete(parentElement);
  };
}
