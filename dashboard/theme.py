"""How the pages look: Streamlit's options, and the Okabe-Ito colours that all charts share."""

from __future__ import annotations

BLUE, ORANGE, GREEN, RED, SKY, PINK, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#CC79A7",
    "#8A94A0",
)
CATEGORIES = [BLUE, ORANGE, GREEN, RED, SKY, PINK]

# Read as --name=value on Streamlit's command line.
OPTIONS = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.toolbarMode": "minimal",
    "theme.baseRadius": "0.5rem",
    "theme.showWidgetBorder": "true",
    "theme.showSidebarBorder": "true",
    "theme.paddingTop": "1.2rem",
    "theme.baseFontSize": "15",
    "theme.metricValueFontSize": "1.6rem",
    "theme.metricValueFontWeight": "600",
    "theme.headingFontSizes": '["1.9rem", "1.45rem", "1.15rem"]',
    "theme.headingFontWeights": "[650, 650, 600]",
    "theme.chartCategoricalColors": str(CATEGORIES).replace("'", '"'),
    "theme.light.primaryColor": BLUE,
    "theme.light.backgroundColor": "#FFFFFF",
    "theme.light.secondaryBackgroundColor": "#F4F6F8",
    "theme.light.textColor": "#1C2733",
    "theme.light.borderColor": "#DDE3E9",
    "theme.light.sidebar.backgroundColor": "#F7F9FA",
    "theme.dark.primaryColor": SKY,
    "theme.dark.backgroundColor": "#11181F",
    "theme.dark.secondaryBackgroundColor": "#1A232C",
    "theme.dark.textColor": "#E3E9EE",
    "theme.dark.borderColor": "#2C3843",
    "theme.dark.sidebar.backgroundColor": "#0D131A",
}


def flags() -> list[str]:
    """The options as command line arguments."""
    return [f"--{name}={value}" for name, value in OPTIONS.items()]
