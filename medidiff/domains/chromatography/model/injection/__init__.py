"""How the sample enters the column: rectangle, tailed rectangle, Gaussian, recorded samples."""

from medidiff.domains.chromatography.model.injection.contract import Injection
from medidiff.domains.chromatography.model.injection.rectangles import Rectangle, TailedRectangle
from medidiff.domains.chromatography.model.injection.smooth import GaussianInjection, SampledInjection

__all__ = ["GaussianInjection", "Injection", "Rectangle", "SampledInjection", "TailedRectangle"]
