// Mouse, pen and touch on a pane. Left button or one finger: the chosen tool; right button: window; middle
// button: pan; wheel: slices, with Ctrl (or a pinch on a pad): zoom; two fingers: pinch and pan.

const WHEEL_STEP = 40; // pixels of wheel travel a slice, so that pads do not race

function listenToPane(state, pane) {
  const { box } = pane;
  const on = (name, act, options) => box.addEventListener(name, act, { signal: state.stop.signal, ...options });
  on("pointerdown", (event) => pressed(state, pane, event));
  on("pointermove", (event) => moved(state, pane, event));
  on("pointerup", (event) => released(state, pane, event));
  on("pointercancel", (event) => released(state, pane, event));
  on("pointerleave", () => hovered(state, null));
  on("wheel", (event) => wheeled(state, pane, event), { passive: false });
  on("contextmenu", (event) => event.preventDefault());
  on("dblclick", () => zoomTo(state, pane.plane, { zoom: 1, panU: 0, panV: 0 }));
}

function localPoint(pane, event) {
  const box = pane.box.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

// Voxel index (not rounded) under a point of a pane.
function indexUnder(state, pane, [x, y]) {
  const { scale, left, top } = placement(state, pane);
  return fromPlane(state.grid, pane.plane, (x - left) / scale, (y - top) / scale, sliceOf(state, pane));
}

function hovered(state, hover) {
  state.hover = hover;
  redraw(state);
}

function pressed(state, pane, event) {
  state.root.focus({ preventScroll: true });
  state.active = pane;
  const point = localPoint(pane, event);
  if (event.target.closest(".divider")) {
    state.drag = { id: event.pointerId, kind: "divider", pane, last: point };
    pane.divider.focus({ preventScroll: true });
  } else if (event.pointerType === "touch") {
    state.touches.set(event.pointerId, point);
    if (state.touches.size === 1) startTool(state, pane, state.tool, event.pointerId, point);
    else state.drag = { kind: "pinch", pane };
  } else {
    startTool(state, pane, ["", "pan", "window"][event.button] || state.tool, event.pointerId, point);
  }
  pane.box.setPointerCapture(event.pointerId);
  event.preventDefault();
}

function startTool(state, pane, kind, id, point) {
  const index = indexUnder(state, pane, point);
  state.drag = { id, kind, pane, last: point, from: [state.level, state.width], start: point, left: 0 };
  if (kind === "cross") moveCross(state, index);
  if (kind === "distance" || kind === "roi") {
    state.drag.mark = { kind, plane: pane.plane, a: index, b: [...index] };
    state.marks.push(state.drag.mark);
  }
}

function moved(state, pane, event) {
  const point = localPoint(pane, event);
  if (event.pointerType !== "touch") {
    const index = indexUnder(state, pane, point);
    state.hover = inside(state.grid, index) ? { plane: pane.plane, index } : null;
    redraw(state);
  }
  const { drag } = state;
  if (!drag || drag.pane !== pane) return;
  if (drag.kind === "pinch") pinched(state, pane, event, point);
  else if (drag.id === event.pointerId) DRAG[drag.kind](state, drag, point);
  if (drag.kind !== "pinch") drag.last = point;
}

function released(state, pane, event) {
  state.touches.delete(event.pointerId);
  const mark = state.drag?.mark;
  if (mark && distanceMm(state.grid, mark.a, mark.b) < 0.5) state.marks.splice(state.marks.indexOf(mark), 1);
  state.drag = null;
  redraw(state);
}

// What a drag does: (state, drag, point) with the last point in `drag`.
const DRAG = {
  window(state, drag, [x, y]) {
    const step = Math.max(drag.from[1], state.first.width / 20) / 250; // a pane's width about doubles the window
    setWindow(state, drag.from[0] + (y - drag.start[1]) * step, drag.from[1] + (x - drag.start[0]) * step);
  },
  scroll(state, drag, [, y]) {
    const step = Math.max(4, Math.min(14, drag.pane.h / state.grid.size[PLANES[drag.pane.plane].normal]));
    drag.left += (drag.last[1] - y) / step;
    const slices = Math.trunc(drag.left);
    drag.left -= slices;
    if (slices) scroll(state, drag.pane, slices);
  },
  pan(state, drag, [x, y]) {
    const { scale } = placement(state, drag.pane);
    const look = state.looks[drag.pane.plane];
    zoomTo(state, drag.pane.plane, {
      ...look,
      panU: look.panU + (x - drag.last[0]) / scale,
      panV: look.panV + (y - drag.last[1]) / scale,
    });
  },
  zoom(state, drag, [, y]) {
    zoomAbout(state, drag.pane, drag.start, Math.exp((drag.last[1] - y) / 150));
  },
  cross(state, drag, point) {
    moveCross(state, indexUnder(state, drag.pane, point));
  },
  distance(state, drag, point) {
    drag.mark.b = indexUnder(state, drag.pane, point);
    redraw(state);
  },
  roi(state, drag, point) {
    drag.mark.b = indexUnder(state, drag.pane, point);
    redraw(state);
  },
  divider(state, drag, [x]) {
    setDivider(state, x / drag.pane.w);
  },
};

function pinched(state, pane, event, point) {
  const before = [...state.touches.values()];
  if (!state.touches.has(event.pointerId) || before.length < 2) return;
  state.touches.set(event.pointerId, point);
  const after = [...state.touches.values()];
  const middle = (points) => [0, 1].map((i) => (points[0][i] + points[1][i]) / 2);
  const apart = (points) => Math.hypot(points[0][0] - points[1][0], points[0][1] - points[1][1]) || 1;
  const [from, to] = [middle(before), middle(after)];
  DRAG.pan(state, { pane, last: from }, to);
  zoomAbout(state, pane, to, apart(after) / apart(before));
}

// Zoom so that what lies under a point stays there.
function zoomAbout(state, pane, [x, y], factor) {
  const look = state.looks[pane.plane];
  const before = placement(state, pane);
  const zoom = Math.min(20, Math.max(0.2, look.zoom * factor));
  const after = before.scale * (zoom / look.zoom);
  zoomTo(state, pane.plane, {
    zoom,
    panU: look.panU + (x - pane.w / 2) * (1 / after - 1 / before.scale),
    panV: look.panV + (y - pane.h / 2) * (1 / after - 1 / before.scale),
  });
}

function wheeled(state, pane, event) {
  event.preventDefault();
  state.active = pane;
  if (event.ctrlKey) {
    zoomAbout(state, pane, localPoint(pane, event), Math.exp(-event.deltaY / 200));
    return;
  }
  // A mouse wheel comes in steps of 100 or in lines; each is one slice. Pads send a few pixels at a time.
  const travel = event.deltaMode ? event.deltaY * WHEEL_STEP : event.deltaY;
  if (Math.abs(travel) >= WHEEL_STEP) scroll(state, pane, travel > 0 ? -1 : 1);
  else {
    state.travel += travel;
    if (Math.abs(state.travel) < WHEEL_STEP) return;
    scroll(state, pane, state.travel > 0 ? -1 : 1);
    state.travel = 0;
  }
}
