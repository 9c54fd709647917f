"""The entry that Streamlit runs on every visit: the frame around the pages."""

import streamlit as st

from driftline.dashboard.session import choose_project, errors_shown

st.set_page_config(page_title="Driftline", page_icon=":material/water:", layout="wide")

PAGES = {
    "Watch": [
        st.Page("views/overview.py", title="Overview", icon=":material/monitoring:", default=True),
        st.Page("views/drift.py", title="Drift", icon=":material/explore:", url_path="drift"),
        st.Page(
            "views/incidents.py",
            title="Incidents",
            icon=":material/notification_important:",
            url_path="incidents",
        ),
    ],
    "Look": [
        st.Page("views/traces.py", title="Traces", icon=":material/search:", url_path="traces"),
        st.Page("views/trace.py", title="One trace", icon=":material/article:", url_path="trace"),
    ],
    "Fix": [
        st.Page(
            "views/finetuning.py",
            title="Fine-tuning",
            icon=":material/build:",
            url_path="finetuning",
        ),
    ],
    "Operate": [
        st.Page(
            "views/settings.py", title="Settings", icon=":material/settings:", url_path="settings"
        ),
    ],
}

page = st.navigation(PAGES)
with errors_shown():
    choose_project()
    page.run()
