"""What `medidiff app` starts: the gate, our own routes, and the pages behind them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from serving.faults import quiet_logs, told
from serving.gate import gate
from serving.routes import routes
from settings import settings

_settings = settings()
quiet_logs()

app = st.App(
    Path(__file__).with_name("main.py"),
    middleware=gate(_settings.hosts, _settings.token, uploads=_settings.study is None),
    routes=routes(),
    on_script_error=told,
)
