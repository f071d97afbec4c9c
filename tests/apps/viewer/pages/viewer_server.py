"""A server for the tests of the viewer: the page named in the environment, and the app's routes."""

import os

import streamlit as st
from serving.routes import ROUTES

app = st.App(os.environ["VIEWER_PAGE"], routes=ROUTES)
