"""What a study keeps: an append-only, chained log in SQLite, and what is asked of it."""

from medidiff.review.store.chain import Head, Row, key_path, new_key, read_key, seal
from medidiff.review.store.log import Log, Reading, create_log, open_log
from medidiff.review.store.readers import Reader
from medidiff.review.store.verify import Fault, Verdict, file_faults, verify_log

__all__ = [
    "Fault",
    "Head",
    "Log",
    "Reader",
    "Reading",
    "Row",
    "Verdict",
    "create_log",
    "file_faults",
    "key_path",
    "new_key",
    "open_log",
    "read_key",
    "seal",
    "verify_log",
]
