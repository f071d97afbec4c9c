// Buttons and fields above the panes, the slice slider and the line below. Each control reads the state in
// `refreshControls` and writes it by the same functions that mouse and keys use.

const PRESETS = [["Lung", -600, 1500], ["Soft", 40, 400], ["Bone", 400, 1800]]; // HU: level, width
const TOOLS = [
  ["window", "Window", "Drag: down changes level, across changes width (w)"],
  ["scroll", "Browse", "Drag up and down through the slices (b)"],
  ["pan", "Pan", "Drag the picture (h)"],
  ["zoom", "Zoom", "Drag up to zoom in (z)"],
  ["cross", "Crosshair", "Click a point: its value and position (c)"],
  ["distance", "Distance", "Drag from point to point: millimetres (m)"],
  ["roi", "Region", "Drag an ellipse: mean and SD (r)"],
];

function layoutGroup(state) {
  const planes = Object.keys(NAMES).map((name) => {
    const made = button(NAMES[name], `${NAMES[name]} slices of all images (v: next plane)`, () => showPlane(state, name));
    state.refresh.push(() => made.setAttribute("aria-pressed", String(state.layout === "arms" && state.plane === name)));
    return made;
  });
  const three = button("Three planes", "Axial, coronal and sagittal of one image (p)", () => showPlanes(state));
  state.refresh.push(() => three.setAttribute("aria-pressed", String(state.layout === "planes")));
  return group("Layout", planes, three);
}

function endGroup(state) {
  const help = button("?", "Keys and mouse", () => state.sheet.showModal());
  help.classList.add("round");
  const again = button("Reset", "Window, zoom, position and slice as at the start (0)", () => reset(state));
  const end = group("Reset and help", again, help);
  end.classList.add("end");
  return end;
}

function buildControls(state) {
  const bar = element("div", "controls");
  state.refresh = [];
  const many = state.arms.length > 1;
  bar.append(
    layoutGroup(state),
    group("Drag", choiceButtons(state, "tool", TOOLS), [button("Clear", "Remove all measurements", () => clearMarks(state))]),
    endGroup(state),
    windowGroup(state),
  );
  if (many) bar.append(compareGroup(state));
  bar.append(slabGroup(state), cineGroup(state));
  if (state.overlays.length) bar.append(overlayGroup(state));
  return bar;
}

function group(name, ...parts) {
  const box = element("div", "group");
  box.setAttribute("role", "group");
  if (name) box.setAttribute("aria-label", name);
  box.append(...parts.flat());
  return box;
}

function button(text, title, act) {
  const made = element("button", "", text);
  made.type = "button";
  made.title = title;
  made.setAttribute("aria-label", text.length > 1 ? `${text}. ${title}` : title);
  made.addEventListener("click", act);
  return made;
}

// Buttons of which one is pressed: the value of state[name].
function choiceButtons(state, name, options) {
  return options.map(([value, text, title]) => {
    const made = button(text, title ?? text, () => set(state, { [name]: value }));
    made.dataset[name] = value;
    state.refresh.push(() => made.setAttribute("aria-pressed", String(state[name] === value)));
    return made;
  });
}

function field(state, text, label, read, write, step) {
  const wrap = element("label", "field", text);
  const input = element("input");
  input.type = "number";
  input.step = step;
  input.setAttribute("aria-label", label);
  input.addEventListener("change", () => {
    const value = input.valueAsNumber;
    if (Number.isFinite(value)) write(value);
    input.value = String(read()); // what was taken of it
  });
  state.refresh.push(() => {
    if (!input.matches(":focus")) input.value = String(read()); // cine must not take a half-typed number away
  });
  wrap.append(input);
  return wrap;
}

function list(state, label, options, read, write) {
  const select = element("select");
  select.setAttribute("aria-label", label);
  for (const [value, text] of options) {
    const option = element("option", "", text);
    option.value = String(value);
    select.append(option);
  }
  select.addEventListener("change", () => write(Number(select.value)));
  state.refresh.push(() => {
    select.value = String(read());
  });
  return select;
}

function windowGroup(state) {
  const presets = PRESETS.map(([name, level, width], i) =>
    button(name, `Level ${level}, width ${width} HU (${i + 1})`, () => preset(state, i)),
  );
  const round = (value) => Number(value.toPrecision(5));
  const step = state.units === "HU" ? 10 : "any";
  return group(
    "Window",
    state.units === "HU" ? presets : [],
    field(state, "L", "Window level", () => round(state.level), (value) => setWindow(state, value, state.width), step),
    field(state, "W", "Window width", () => round(state.width), (value) => setWindow(state, state.level, value), step),
  );
}

function compareGroup(state) {
  const modes = [["side", "Images", "Each image as it is"], ["difference", "Difference", "Minus the first image (d)"], ["swipe", "Swipe", "Two images, a divider between (s)"]];
  const parts = choiceButtons(state, "mode", modes);
  const names = state.arms.map((_, i) => [i, nameOf(state, i)]);
  const first = list(state, "Image in the three planes", names, () => state.arm, (arm) => set(state, { arm }));
  const second = list(state, "Second image", names.slice(1), () => state.second, (value) => set(state, { second: value }));
  const span = field(state, "±", "Range of the difference", () => Number(state.span.toPrecision(4)), (value) => value > 0 && set(state, { span: value }), "any");
  const grey = button("Grey", "Difference in grey or in colour", () => set(state, { coloured: !state.coloured }));
  const link = button("Link", "Scroll all images together (l)", () => setLink(state, !state.link));
  state.refresh.push(() => {
    first.hidden = state.layout !== "planes" || state.mode !== "side";
    second.hidden = state.arms.length < 3 || !(state.mode === "swipe" || (state.layout === "planes" && state.mode === "difference"));
    span.hidden = grey.hidden = state.mode !== "difference";
    grey.setAttribute("aria-pressed", String(!state.coloured));
    link.setAttribute("aria-pressed", String(state.link));
    link.hidden = state.layout === "planes" || state.mode !== "side";
  });
  return group("Compare", parts, first, second, span, grey, link);
}

function slabGroup(state) {
  const slab = field(state, "Slab", "Slab thickness in mm, 0 for one slice", () => state.slabMm, (value) => set(state, { slabMm: Math.min(200, Math.max(0, value)) }), 5);
  slab.querySelector("input").min = "0";
  return group("Slab", slab, choiceButtons(state, "projection", [["mean", "Mean", "Mean of the slab"], ["mip", "MIP", "Maximum of the slab (t)"]]));
}

function cineGroup(state) {
  const play = button("Play", "Run through the slices (space)", () => toggleCine(state));
  play.classList.add("play");
  state.refresh.push(() => {
    play.textContent = state.cine ? "Stop" : "Play";
    play.setAttribute("aria-label", `${play.textContent}. ${play.title}`);
    play.setAttribute("aria-pressed", String(Boolean(state.cine)));
  });
  const speeds = [2, 5, 10, 15, 25].map((value) => [value, `${value} /s`]);
  return group("Cine", play, list(state, "Slices a second", speeds, () => state.speed, (speed) => set(state, { speed })));
}

function overlayGroup(state) {
  const labels = [...new Set(state.overlays.map((overlay) => overlay.label))];
  const names = [
    [-1, "no overlay"],
    ...labels.map((label) => [state.overlays.findIndex((overlay) => overlay.label === label), label]),
  ];
  const opacity = element("input");
  opacity.type = "range";
  [opacity.min, opacity.max] = ["0", "100"];
  opacity.setAttribute("aria-label", "Opacity of the overlay in percent");
  opacity.addEventListener("input", () => set(state, { opacity: opacity.valueAsNumber / 100 }));
  state.refresh.push(() => {
    opacity.value = String(Math.round(state.opacity * 100));
    opacity.disabled = state.overlay < 0;
  });
  return group("Overlay", list(state, "Overlay", names, () => state.overlay, (overlay) => set(state, { overlay })), opacity);
}

function buildSlider(state) {
  const slider = element("input", "slider");
  slider.type = "range";
  slider.min = "0";
  slider.addEventListener("input", () => goTo(state, activePane(state), slider.valueAsNumber));
  state.refresh.push(() => {
    const pane = activePane(state);
    slider.max = String(state.grid.size[PLANES[pane.plane].normal] - 1);
    slider.value = String(sliceOf(state, pane));
    slider.setAttribute("aria-label", `${NAMES[pane.plane]} slice`);
    slider.setAttribute("aria-valuetext", `${sliceOf(state, pane) + 1} of ${Number(slider.max) + 1}`);
  });
  return slider;
}

function refreshControls(state) {
  for (const refresh of state.refresh) refresh();
}

function positionText(state) {
  const point = state.hover ? state.hover.index : crossIsShown(state) ? state.cross : null;
  if (!point) return "";
  return `${world(state.grid, point.map(Math.round)).map(sided).join("   ")} mm`;
}
