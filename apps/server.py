"""What `medidiff app` starts: the web server around the pages."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

app = st.App(Path(__file__).with_name("main.py"))
