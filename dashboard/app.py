"""The entry that Streamlit runs on every visit: the frame around the pages."""

from pathlib import Path

import streamlit as st

from driftline.dashboard.session import choose_project, errors_shown

HERE = Path(__file__).parent
PAGES = {
    "Watch": [
        st.Page("views/overview.py", title="Overview", icon=":material/monitoring:", default=True),
        st.Page("views/drift.py", title="Drift", icon=":material/compare_arrows:"),
        st.Page("views/incidents.py", title="Incidents", icon=":material/notifications:"),
    ],
    "Look": [
        st.Page("views/traces.py", title="Traces", icon=":material/list:"),
        st.Page("views/trace.py", title="One trace", icon=":material/article:"),
    ],
    "Fix": [
        st.Page("views/finetuning.py", title="Fine-tuning", icon=":material/model_training:"),
    ],
    "Operate": [
        st.Page("views/workers.py", title="Workers", icon=":material/memory:"),
        st.Page("views/metrics.py", title="Metrics", icon=":material/straighten:"),
        st.Page("views/settings.py", title="Settings", icon=":material/settings:"),
    ],
}

st.set_page_config(page_title="Driftline", page_icon=str(HERE / "icon.svg"), layout="wide")
st.logo(HERE / "mark.svg", size="large")
st.html(HERE / "style.css")

page = st.navigation(PAGES)
with errors_shown():
    choose_project()
    page.run()
