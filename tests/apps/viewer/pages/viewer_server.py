"""A server for the tests of the viewer: the page named in the environment, and the app's routes."""

import os

import streamlit as st
from serving.routes import routes

app = st.App(os.environ["VIEWER_PAGE"], routes=routes())
