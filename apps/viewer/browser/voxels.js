// Voxels of an arm or overlay in this browser. The slices nearest to the shown one come first, of all
// images together, so that no arm is ahead of another; scrolling waits for nothing.

const CHUNK_BYTES = 1 << 20; // a request of about one megabyte: 8 slices of 256 x 256
const FULL_BLOCK = 4; // slices of full resolution in a request
const FULL_REACH = 6; // slices of full resolution kept ready on each side of the shown one
const FULL_KEPT = 40; // slices of full resolution kept of an arm
const TRIES = 4;

function makeStore(token, full, grid) {
  const [nx, ny, nz] = grid.display;
  return {
    token,
    full, // token of the full grid, "" where the display grid is the full one
    nx,
    ny,
    nz,
    voxels: new Int16Array(nx * ny * nz),
    have: new Uint8Array(nz),
    asked: new Set(),
    whole: new Map(), // slice -> Int16Array on the full grid
    askedWhole: new Set(),
  };
}

function makeLoader(stores, grid, at, onVoxels, onLost) {
  const [nx, ny, nz] = grid.display;
  const chunk = Math.max(1, Math.round(CHUNK_BYTES / (2 * nx * ny)));
  const chunks = Math.ceil(nz / chunk);
  const loader = { stores, grid, at, onVoxels, onLost, chunk, chunks, done: 0, busy: 0, busyWhole: 0 };
  loader.stop = new AbortController();
  loader.total = chunks * stores.length;
  loader.failed = "";
  loader.told = false;
  return loader;
}

// Fraction of the volumes that is here.
function loadedFraction(loader) {
  return loader.done / loader.total;
}

async function fetchSlices(loader, token, a, b) {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    if (attempt) await new Promise((resume) => setTimeout(resume, 700 * attempt));
    try {
      const answer = await fetch(`/medidiff/voxels/${token}/${a}/${b}`, { signal: loader.stop.signal });
      if (answer.ok) return new Int16Array(await answer.arrayBuffer());
      if (answer.status === 404 && !loader.told) {
        loader.told = true;
        loader.onLost(); // the server let go of them: it packs them again, and they come at a later try
      }
    } catch (error) {
      if (error.name === "AbortError") throw error;
    }
  }
  throw new Error("slices did not come");
}

// Ask for what is missing nearest to the shown slice, a few requests at a time.
function pump(loader) {
  while (loader.busy < 3) {
    const next = nextChunk(loader);
    if (!next) break;
    loadChunk(loader, ...next);
  }
  if (loader.grid.factor > 1 && shownIsHere(loader)) pumpWhole(loader);
}

function nextChunk(loader) {
  const here = Math.floor(loader.at() / loader.chunk);
  for (let far = 0; far < loader.chunks; far += 1) {
    for (const k of far ? [here + far, here - far] : [here]) {
      if (k < 0 || k >= loader.chunks) continue;
      const store = loader.stores.find((one) => !one.asked.has(k));
      if (store) return [store, k];
    }
  }
  return null;
}

function shownIsHere(loader) {
  const slice = Math.round(loader.at());
  return loader.stores.every((store) => store.have[slice]);
}

async function loadChunk(loader, store, k) {
  const a = k * loader.chunk;
  const b = Math.min(store.nz, a + loader.chunk);
  store.asked.add(k);
  loader.busy += 1;
  try {
    store.voxels.set(await fetchSlices(loader, store.token, a, b), a * store.nx * store.ny);
    store.have.fill(1, a, b);
    loader.done += 1;
  } catch (error) {
    if (error.name === "AbortError") return;
    loader.failed = "Some slices could not be loaded. Reload the page.";
  } finally {
    loader.busy -= 1;
  }
  loader.onVoxels(a, b);
  pump(loader);
}

// Full resolution around the shown slice, once its block means are on the screen.
function pumpWhole(loader) {
  const slice = Math.round(loader.at());
  const last = Math.ceil(loader.grid.size[2] / FULL_BLOCK) - 1;
  const blocks = [];
  for (let k = 0; k <= last; k += 1) {
    const far = Math.max(0, k * FULL_BLOCK - slice, slice - (k * FULL_BLOCK + FULL_BLOCK - 1));
    if (far <= FULL_REACH) blocks.push([far, k]);
  }
  blocks.sort((a, b) => a[0] - b[0]);
  for (const [, k] of blocks) {
    for (const store of loader.stores) {
      if (loader.busyWhole >= 2) return;
      if (store.full && !store.askedWhole.has(k)) loadWhole(loader, store, k);
    }
  }
}

async function loadWhole(loader, store, k) {
  const [nx, ny, nz] = loader.grid.size;
  const a = k * FULL_BLOCK;
  const b = Math.min(nz, a + FULL_BLOCK);
  store.askedWhole.add(k);
  loader.busyWhole += 1;
  try {
    const voxels = await fetchSlices(loader, store.full, a, b);
    for (let z = a; z < b; z += 1) store.whole.set(z, voxels.subarray((z - a) * nx * ny, (z - a + 1) * nx * ny));
    forgetFar(loader, store);
  } catch (error) {
    if (error.name === "AbortError") return;
    loader.failed = "Full resolution could not be loaded: block means are shown.";
  } finally {
    loader.busyWhole -= 1;
  }
  loader.onVoxels(a, b);
  pump(loader);
}

function forgetFar(loader, store) {
  while (store.whole.size > FULL_KEPT) {
    const slice = loader.at();
    const far = [...store.whole.keys()].reduce((a, b) => (Math.abs(a - slice) >= Math.abs(b - slice) ? a : b));
    const k = Math.floor(far / FULL_BLOCK);
    for (let z = k * FULL_BLOCK; z < (k + 1) * FULL_BLOCK; z += 1) store.whole.delete(z);
    store.askedWhole.delete(k);
  }
}

// Stored value at a voxel of the full grid: its own where its slice is here, else that of its block.
function storedAt(store, grid, index) {
  const [x, y, z] = index.map(Math.round);
  const whole = store.whole.get(z);
  if (whole) return { value: whole[y * grid.size[0] + x], block: false };
  if (!store.have[z]) return null;
  const column = Math.floor(x / grid.factor);
  const row = Math.floor(y / grid.factor);
  return { value: store.voxels[(z * store.ny + row) * store.nx + column], block: grid.factor > 1 };
}
