"""What a visitor gets: the pages and the way between them."""

from __future__ import annotations

import streamlit as st
from frame import PAGES, dress

dress()
st.navigation([st.Page(page.script, title=page.title, url_path=page.url) for page in PAGES]).run()
