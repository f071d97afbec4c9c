"""Between the browser and the pages: the gate, voxels by token, uploads, the panel of a job."""
