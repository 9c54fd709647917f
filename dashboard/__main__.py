"""`python -m driftline.dashboard`: serve the pages on DRIFTLINE_DASHBOARD_PORT (8401)."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

HOST = "127.0.0.1"
PORT = 8401
OPTIONS = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.toolbarMode": "minimal",
    "theme.primaryColor": "#0072B2",
    "theme.baseRadius": "0.4rem",
    "theme.showWidgetBorder": "true",
}


def main() -> int:
    """Run Streamlit in this process; exit status 2 when the port is taken."""
    host = os.environ.get("DRIFTLINE_DASHBOARD_HOST", HOST)
    port = int(os.environ.get("DRIFTLINE_DASHBOARD_PORT", PORT))
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            print(
                f"dashboard: port {port} on {host} cannot be used ({error.strerror}); "
                "choose another with DRIFTLINE_DASHBOARD_PORT",
                file=sys.stderr,
            )
            return 2
    from streamlit.web import cli

    flags = [f"--{name}={value}" for name, value in OPTIONS.items()]
    app = str(Path(__file__).with_name("app.py"))
    cli.main_run([app, f"--server.address={host}", f"--server.port={port}", *flags])
    return 0


if __name__ == "__main__":
    sys.exit(main())
