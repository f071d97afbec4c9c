"""What a visitor gets: the pages and the way between them; with a study, the one page for its readers."""

from __future__ import annotations

import streamlit as st
from frame import PAGES, dress
from serving.faults import told
from settings import settings

from medidiff.errors import MedidiffError

READ = "pages/read.py"

dress()
if settings().study is not None:
    page = st.navigation([st.Page(READ, title="Read")], position="hidden")
else:
    page = st.navigation([st.Page(entry.script, title=entry.title, url_path=entry.url) for entry in PAGES])
try:
    page.run()
except MedidiffError as error:
    told(error)
