"""Physical parameters of a recorded trace: retention factors, rates and areas with intervals.

    y(t) = sum_i area_i c_i(t; k_i, kd_i) + baseline + noise

The whole chromatogram is fitted at once, with the exact slopes of the engines.
"""
