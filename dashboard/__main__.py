"""`python -m driftline.dashboard`: serve the pages on DRIFTLINE_DASHBOARD_PORT (8401)."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from driftline.dashboard.theme import flags

HOST = "127.0.0.1"
PORT = 8401


def main() -> int:
    """Run Streamlit in this process; exit status 2 when it cannot listen, with the reason."""
    host = os.environ.get("DRIFTLINE_DASHBOARD_HOST", HOST)
    wanted = os.environ.get("DRIFTLINE_DASHBOARD_PORT", str(PORT))
    problem = port_problem(host, wanted)
    if problem:
        print(f"driftline dashboard: {problem}", file=sys.stderr)
        return 2
    from streamlit.web import cli

    app = str(Path(__file__).with_name("app.py"))
    cli.main_run([app, f"--server.address={host}", f"--server.port={wanted}", *flags()])
    return 0


def port_problem(host: str, port: str) -> str:
    """Why nobody can listen on host:port, and what to do; "" when one can."""
    if not port.isdigit() or not 0 < int(port) < 65536:
        return f"DRIFTLINE_DASHBOARD_PORT is {port!r}; set it to a number from 1 to 65535"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            return (
                f"cannot listen on {host}:{port} ({error.strerror}): stop what uses the port, or "
                "set DRIFTLINE_DASHBOARD_PORT to a free one"
            )
    return ""


if __name__ == "__main__":
    sys.exit(main())
