// Planes and millimetres. Voxel axes of the canonical grid: 0 to the patient's left, 1 to the back, 2 to
// the head. A plane is drawn with `across` to the right of the screen and `down` downwards, `up` where its
// axis runs upwards (head on top). So the patient's right is always on the left of the screen.

const PLANES = {
  axial: { normal: 2, across: 0, down: 1, up: false },
  coronal: { normal: 1, across: 0, down: 2, up: true },
  sagittal: { normal: 0, across: 1, down: 2, up: true },
};

const NAMES = { axial: "Axial", coronal: "Coronal", sagittal: "Sagittal" };

// The grid by voxel axis (x, y, z), where Python counts (z, y, x).
function gridOf(plain) {
  return {
    size: [...plain.shape].reverse(),
    display: [...plain.display].reverse(),
    spacing: [...plain.spacing].reverse(),
    factor: plain.factor,
    affine: plain.affine,
  };
}

// Width and height of a plane in mm.
function extent(grid, plane) {
  const { across, down } = PLANES[plane];
  return [grid.size[across] * grid.spacing[across], grid.size[down] * grid.spacing[down]];
}

// Voxel index (whole at voxel centres) -> mm from the picture's upper left corner, and back.
function toPlane(grid, plane, index) {
  const { across, down, up } = PLANES[plane];
  const v = (index[down] + 0.5) * grid.spacing[down];
  return [(index[across] + 0.5) * grid.spacing[across], up ? extent(grid, plane)[1] - v : v];
}

function fromPlane(grid, plane, u, v, slice) {
  const { normal, across, down, up } = PLANES[plane];
  const index = [0, 0, 0];
  index[normal] = slice;
  index[across] = u / grid.spacing[across] - 0.5;
  index[down] = (up ? extent(grid, plane)[1] - v : v) / grid.spacing[down] - 0.5;
  return index;
}

function inside(grid, index) {
  return index.every((value, axis) => Math.round(value) >= 0 && Math.round(value) < grid.size[axis]);
}

function distanceMm(grid, a, b) {
  return Math.hypot(...a.map((value, axis) => (value - b[axis]) * grid.spacing[axis]));
}

// RAS millimetres of a voxel index.
function world(grid, index) {
  return [0, 1, 2].map((row) => {
    const line = grid.affine[row];
    return line[0] * index[0] + line[1] * index[1] + line[2] * index[2] + line[3];
  });
}

// Unit direction of a voxel axis in RAS.
function direction(grid, axis) {
  const column = [0, 1, 2].map((row) => grid.affine[row][axis] / grid.spacing[axis]);
  return column;
}

const ENDS = [["L", "R"], ["P", "A"], ["F", "H"]]; // the negative and positive end of each RAS axis

// Letters of the side to which a direction points, the strongest first; a second one from 10 degrees on.
function letters(vector) {
  return vector
    .map((value, axis) => [Math.abs(value), ENDS[axis][value > 0 ? 1 : 0]])
    .sort((a, b) => b[0] - a[0])
    .filter(([size], rank) => rank === 0 || size > Math.sin(Math.PI / 18))
    .map(([, letter]) => letter)
    .join("");
}

// What stands at the four borders of a plane.
function borderLetters(grid, plane) {
  const { across, down, up } = PLANES[plane];
  const right = direction(grid, across);
  const bottom = direction(grid, down).map((value) => (up ? -value : value));
  const back = (vector) => vector.map((value) => -value);
  return { left: letters(back(right)), right: letters(right), top: letters(back(bottom)), bottom: letters(bottom) };
}

// A coordinate with its side in place of a sign: "L 12.3".
function sided(value, axis) {
  return `${ENDS[axis][value < 0 ? 0 : 1]} ${Math.abs(value).toFixed(1)}`;
}

// Position of a slice along its normal, with the side of the patient.
function slicePosition(grid, plane, slice) {
  const { normal } = PLANES[plane];
  const centre = grid.size.map((side) => (side - 1) / 2);
  centre[normal] = slice;
  const along = direction(grid, normal);
  const axis = along.map(Math.abs).indexOf(Math.max(...along.map(Math.abs)));
  return `${sided(world(grid, centre)[axis], axis)} mm`;
}
