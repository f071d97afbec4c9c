"""Reader studies: blinded presentation, answers that cannot be lost or changed unseen, and their statistics.

A study is a folder: `protocol.yaml` (frozen by its hash), `frozen.json` and `images/` (what is shown, and
which arm it is), `study.sqlite` (everything that happened). `medidiff.review.report` says what the answers
mean. Nothing here knows a screen.
"""

from medidiff.review.design.drafting import new_study
from medidiff.review.design.protocol import Protocol, read_protocol
from medidiff.review.export import Export, export_study
from medidiff.review.opening import freeze_study, merge_studies, open_study, verify_study
from medidiff.review.practice import practice_study
from medidiff.review.presentation import Choice, Given, Presentation, Washout
from medidiff.review.status import State, state_of
from medidiff.review.store.chain import Head
from medidiff.review.store.readers import Reader
from medidiff.review.store.verify import Fault, Verdict
from medidiff.review.study import Study

__all__ = [
    "Choice",
    "Export",
    "Fault",
    "Given",
    "Head",
    "Presentation",
    "Protocol",
    "Reader",
    "State",
    "Study",
    "Verdict",
    "Washout",
    "export_study",
    "freeze_study",
    "merge_studies",
    "new_study",
    "open_study",
    "practice_study",
    "read_protocol",
    "state_of",
    "verify_study",
]
