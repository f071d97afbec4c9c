"""Reader studies: blinded presentation, answers that cannot be lost or changed unseen, and their statistics.

A study is a folder: `protocol.yaml` (frozen by its hash), `frozen.json` and `images/` (what is shown, and
which arm it is), `study.sqlite` (everything that happened). Nothing here knows a screen.
"""

from medidiff.review.drafting import new_study
from medidiff.review.opening import freeze_study, open_study
from medidiff.review.practice import practice_study
from medidiff.review.presentation import Choice, Given, Presentation, Washout
from medidiff.review.protocol import Protocol, read_protocol
from medidiff.review.store.chain import Head
from medidiff.review.store.readers import Reader
from medidiff.review.study import Study

__all__ = [
    "Choice",
    "Given",
    "Head",
    "Presentation",
    "Protocol",
    "Reader",
    "Study",
    "Washout",
    "freeze_study",
    "new_study",
    "open_study",
    "practice_study",
    "read_protocol",
]
