"""`driftline`: the command line. `driftline --help` lists the commands.

command.py   what a command is; options that many of them share
output.py    tables for people, JSON for machines
services.py  up, worker, trainer, dashboard, health, status, version
upkeep.py    migrate, models
platform.py  projects, keys, webhooks
quality.py   monitor, incidents, jobs, rescore, backfill
traffic.py   demo, replay
prices.py    prices
privacy.py   retention, delete
main.py      the parser, and exit statuses: 0 ok, 1 failed, 2 usage or configuration
"""

from .main import main as main
