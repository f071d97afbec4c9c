// The state of one instance of the viewer, and everything that changes it.

function makeState(root, data) {
  const grid = gridOf(data.grid);
  const state = {
    root,
    data,
    grid,
    scale: data.scale,
    units: data.units,
    arms: data.arms.map((arm) => ({ ...arm, store: makeStore(arm.token, arm.full, grid) })),
    overlays: data.overlays.map((overlay) => ({
      ...overlay,
      store: makeStore(overlay.token, "", grid),
      table: overlay.kind === "heat" ? heatTable(overlay) : labelTable(),
    })),
    first: { level: data.window[0], width: data.window[1], layout: data.layout },
    stop: new AbortController(),
    touches: new Map(),
    panes: [],
    drag: null,
    hover: null,
    travel: 0,
    tables: 0,
    times: [], // milliseconds of the last drawings, for the benchmark
    marks: [],
    link: true,
    own: null, // slices of each arm while the link is off: own[arm][voxel axis]
    arm: 0,
    second: 1,
    tool: firstTool(data.layout),
    plane: "axial",
    coloured: true,
    span: 0,
    divider: 0.5,
    overlay: -1, // the index of the first overlay of the chosen name; -1: none, the images themselves come first
    opacity: 0.5,
    speed: 10,
    cine: 0,
    slabMm: 0,
    projection: "mean",
    mode: "side",
    layout: data.layout,
  };
  Object.assign(state, startView(state));
  return state;
}

// The part of the state that a reset brings back.
function startView(state) {
  const look = () => ({ zoom: 1, panU: 0, panV: 0 });
  return {
    level: state.first.level,
    width: state.first.width,
    cross: state.grid.size.map((side) => Math.floor(side / 2)),
    own: null,
    link: true,
    looks: { axial: look(), coronal: look(), sagittal: look() },
    slabMm: 0,
    divider: 0.5,
  };
}

function activePane(state) {
  return state.panes.includes(state.active) ? state.active : state.panes[0];
}

function sliceOf(state, pane) {
  const { normal } = PLANES[pane.plane];
  return Math.round(state.own && state.layout === "arms" ? state.own[pane.arm][normal] : state.cross[normal]);
}

// Every change goes through here: panes are rebuilt when their number or kind changes.
function set(state, changes) {
  Object.assign(state, changes);
  if ("mode" in changes && state.mode === "difference" && !state.span) state.span = startSpan(state);
  if (["layout", "plane", "mode", "arm", "second", "overlay", "span", "coloured"].some((name) => name in changes)) {
    if (state.layout === "planes" || state.mode !== "side") [state.own, state.link] = [null, true];
    makeTables(state);
    buildPanes(state);
  }
  changed(state);
}

function changed(state) {
  refreshControls(state);
  redraw(state);
  report(state);
  pump(state.loader);
}

function makeTables(state) {
  state.greyTable = greyTable(state.level, state.width, state.scale);
  state.differenceTable = state.span ? differenceTable(state.span, state.scale, state.coloured) : null;
  state.tables += 1;
}

// Symmetric range of the difference: what 99.5 % of the shown slice keeps to, in one significant digit.
function startSpan(state) {
  const slice = Math.round(state.cross[2]);
  const sizes = state.arms.slice(1).flatMap((arm) => {
    const [a, b] = [arm, state.arms[0]].map(({ store }) => planeValues(state, store, "axial", slice, false).values);
    return a && b ? [Array.from(subtract(a, b), Math.abs).sort((p, q) => p - q)] : [];
  });
  const value = Math.max(0, ...sizes.map((sorted) => sorted[Math.floor(0.995 * (sorted.length - 1))])) * state.scale.step;
  return value > 0 ? Number(value.toPrecision(1)) : state.first.width / 10;
}

function setWindow(state, level, width) {
  state.level = level;
  state.width = Math.max(width, state.units === "HU" ? 1 : state.first.width * 1e-3);
  makeTables(state);
  changed(state);
}

function preset(state, i) {
  if (state.units === "HU") setWindow(state, PRESETS[i][1], PRESETS[i][2]);
}

function reset(state) {
  Object.assign(state, startView(state));
  makeTables(state);
  changed(state);
}

function goTo(state, pane, slice) {
  const { normal } = PLANES[pane.plane];
  const held = Math.min(state.grid.size[normal] - 1, Math.max(0, slice));
  if (state.own && state.layout === "arms") state.own[pane.arm][normal] = held;
  if (!state.own || pane === activePane(state)) state.cross[normal] = held;
  changed(state);
}

function scroll(state, pane, slices) {
  goTo(state, pane, sliceOf(state, pane) + slices);
}

function step(state, slices) {
  scroll(state, activePane(state), slices);
}

function setLink(state, link) {
  if (state.layout === "planes" || state.mode !== "side") return;
  state.own = link ? null : state.arms.map(() => [...state.cross]);
  state.link = link;
  changed(state);
}

function showPlane(state, plane) {
  const tool = state.layout === "planes" && state.tool === "cross" ? firstTool("arms") : state.tool;
  set(state, { layout: "arms", plane, tool });
}

// In three planes the natural act is to point: the other two planes follow.
function showPlanes(state) {
  const { tool } = state;
  set(state, { layout: "planes", tool: tool === "window" || tool === "scroll" ? "cross" : tool });
}

function firstTool(layout) {
  if (layout === "planes") return "cross";
  return window.matchMedia("(pointer: coarse)").matches ? "scroll" : "window";
}

function nextPlane(state) {
  const names = Object.keys(PLANES);
  showPlane(state, names[(names.indexOf(state.plane) + (state.layout === "arms" ? 1 : 0)) % 3]);
}

function toggleMode(state, mode) {
  if (state.arms.length > 1) set(state, { mode: state.mode === mode ? "side" : mode });
}

function toggleOverlay(state) {
  if (state.overlays.length) set(state, { overlay: state.overlay < 0 ? 0 : -1 });
}

// The overlay that lies over an arm: of the chosen name, the arm's own or one of all arms.
function overlayOf(state, arm) {
  const label = state.overlays[state.overlay]?.label;
  return state.overlays.find((one) => one.label === label && (one.of === null || one.of === arm));
}

function zoomTo(state, plane, look) {
  state.looks[plane] = look;
  changed(state);
}

function zoomBy(state, factor) {
  const pane = activePane(state);
  zoomAbout(state, pane, [pane.w / 2, pane.h / 2], factor);
}

// Move the crosshair; in three planes the other two follow.
function moveCross(state, index) {
  const point = index.map((value, axis) => Math.min(state.grid.size[axis] - 1, Math.max(0, value)));
  state.cross = state.layout === "planes" ? point.map(Math.round) : point;
  changed(state);
}

function setDivider(state, fraction) {
  state.divider = Math.min(1, Math.max(0, fraction));
  redraw(state);
}

function removeMark(state) {
  state.marks.pop();
  redraw(state);
}

function clearMarks(state) {
  state.marks = [];
  redraw(state);
}

function toggleCine(state) {
  if (state.cine) {
    clearInterval(state.cine);
    set(state, { cine: 0 });
    return;
  }
  const next = () => {
    const pane = activePane(state);
    const size = state.grid.size[PLANES[pane.plane].normal];
    goTo(state, pane, (sliceOf(state, pane) + 1) % size);
    state.cine = setTimeout(next, 1000 / state.speed);
  };
  set(state, { cine: setTimeout(next, 1000 / state.speed) });
}
