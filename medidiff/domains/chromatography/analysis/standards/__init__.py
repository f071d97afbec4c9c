"""What known runs teach: amounts from standards, indices from alkanes, plate heights from velocities."""
