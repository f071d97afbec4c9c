"""What a visitor gets: the pages and the way between them; with a study, the one page for its readers."""

from __future__ import annotations

import streamlit as st
from frame import PAGES, dress
from serving.faults import told
from settings import settings

from medidiff.errors import MedidiffError

READ = "screens/read.py"

dress()
if settings().study is not None:
    page = st.navigation([st.Page(READ, title="Read")], position="hidden")
else:
    pages = [st.Page(page.script, title=page.title, url_path=page.url, icon=page.icon) for page in PAGES]
    page = st.navigation(pages, position="top")
try:
    page.run()
except MedidiffError as error:
    told(error)
