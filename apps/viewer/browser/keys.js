// The keyboard, and the sheet that lists it. Keys act while the viewer has the focus and no field is edited.

const KEYS = [
  ["↑ ↓", "one slice up or down", ["ArrowUp", (s) => step(s, 1)], ["ArrowDown", (s) => step(s, -1)]],
  ["Page Up, Page Down", "five slices", ["PageUp", (s) => step(s, 5)], ["PageDown", (s) => step(s, -5)]],
  ["Home, End", "last and first slice", ["Home", (s) => step(s, Infinity)], ["End", (s) => step(s, -Infinity)]],
  ["Space", "cine on or off", [" ", (s) => toggleCine(s)]],
  ["1, 2, 3", "lung, soft tissue, bone window (HU)", ["1", (s) => preset(s, 0)], ["2", (s) => preset(s, 1)], ["3", (s) => preset(s, 2)]],
  ["+ −", "zoom", ["+", (s) => zoomBy(s, 1.25)], ["=", (s) => zoomBy(s, 1.25)], ["-", (s) => zoomBy(s, 0.8)]],
  ["0", "reset window, zoom, position and slice", ["0", (s) => reset(s)]],
  ["p", "side by side or three planes", ["p", (s) => (s.layout === "arms" ? showPlanes(s) : showPlane(s, s.plane))]],
  ["v", "next plane", ["v", (s) => nextPlane(s)]],
  ["w, b, h, z", "drag to window, browse slices, pan, zoom", ["w", (s) => set(s, { tool: "window" })], ["b", (s) => set(s, { tool: "scroll" })], ["h", (s) => set(s, { tool: "pan" })], ["z", (s) => set(s, { tool: "zoom" })]],
  ["c, m, r", "crosshair, distance, region", ["c", (s) => set(s, { tool: "cross" })], ["m", (s) => set(s, { tool: "distance" })], ["r", (s) => set(s, { tool: "roi" })]],
  ["Delete", "remove the last measurement", ["Delete", (s) => removeMark(s)], ["Backspace", (s) => removeMark(s)]],
  ["d, s", "difference, swipe (again: side by side)", ["d", (s) => toggleMode(s, "difference")], ["s", (s) => toggleMode(s, "swipe")]],
  ["← →", "move the swipe divider", ["ArrowLeft", (s) => setDivider(s, s.divider - 0.02)], ["ArrowRight", (s) => setDivider(s, s.divider + 0.02)]],
  ["t", "slab: mean or MIP", ["t", (s) => set(s, { projection: s.projection === "mean" ? "mip" : "mean" })]],
  ["o", "overlay on or off (the first)", ["o", (s) => toggleOverlay(s)]],
  ["l", "link the slices of all arms", ["l", (s) => setLink(s, !s.link)]],
  ["?", "this sheet", ["?", (s) => s.sheet.showModal()]],
];

const MOUSE = [
  ["Wheel", "slices; with Ctrl zoom"],
  ["Left drag", "the chosen tool"],
  ["Right drag", "window: across width, down level"],
  ["Middle drag", "pan"],
  ["Double click", "fit the picture"],
  ["One finger", "the chosen tool"],
  ["Two fingers", "zoom and pan"],
];

const ACTIONS = new Map(KEYS.flatMap(([, , ...bindings]) => bindings));

function pressedKey(state, event) {
  const field = event.target.closest("input, select, dialog");
  if (field) event.stopPropagation(); // what is typed here is no shortcut of the page
  if (event.ctrlKey || event.metaKey || event.altKey || field) return;
  if (state.data.blinded && /^[1-9]$/.test(event.key)) return; // digits choose the answer
  if (event.key === " " && event.target.closest("button")) return; // space presses the focused button
  const act = ACTIONS.get(event.key);
  if (!act) return;
  event.preventDefault();
  event.stopPropagation(); // Streamlit has keys of its own
  act(state);
}

function buildSheet(state) {
  const sheet = element("dialog", "sheet");
  sheet.setAttribute("aria-label", "Keys and mouse");
  sheet.append(element("h2", "", "Keys and mouse"));
  const columns = element("div", "columns");
  for (const rows of [KEYS, MOUSE]) {
    const table = element("table");
    for (const [key, what] of rows) {
      if (state.data.blinded && /^[1-9]/.test(key)) continue;
      const row = element("tr");
      row.append(element("th", "", key), element("td", "", what));
      table.append(row);
    }
    columns.append(table);
  }
  const close = element("button", "", "Close");
  close.type = "button";
  close.addEventListener("click", () => sheet.close());
  sheet.append(columns, close);
  return sheet;
}
