"""The exponentially modified Gaussian of unit area, without overflow or cancellation.

    f = 1/(2 tau) exp(-x^2/2) erfcx(z),   x = (t - m)/s,   z = (s/tau - x)/sqrt 2

with erfcx(z) = exp(z^2) erfc(z); below z = -5, where erfcx itself would grow,
f = 1/(2 tau) exp((s/tau)^2/2 - x s/tau) erfc(z) (Kalambet et al. 2011, J Chemometrics 25:352). Its slopes:
f + tau df/dt = g, the Gaussian; df/ds = s d2f/dt2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfc, erfcx

_SWITCH = -5.0


def emg(x: ArrayLike, s: ArrayLike, tau: ArrayLike) -> NDArray[np.float64]:
    """F at x = (t - m)/s, in the inverse unit of s and tau, both above 0; arrays that broadcast."""
    x, s, tau = (np.asarray(value, np.float64) for value in (x, s, tau))
    z = (s / tau - x) / np.sqrt(2)
    scaled = np.exp(-0.5 * x**2) * erfcx(np.maximum(z, _SWITCH))
    # Below the switch erfc is nearly 2 and the exponential small.
    far = np.exp(np.where(z < _SWITCH, 0.5 * (s / tau) ** 2 - x * s / tau, -np.inf)) * erfc(z)
    return np.asarray(np.where(z < _SWITCH, far, scaled) / (2 * tau), np.float64)
