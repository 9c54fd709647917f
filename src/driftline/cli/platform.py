"""projects, keys, webhooks: who may send and read, and who is told."""

from __future__ import annotations

import argparse

from driftline.sdk.api import Api
from driftline.sdk.records import ApiKey, Project, Webhook

from .command import Command, connect, connect_project
from .output import Column, show_facts, show_list, show_one

PROJECT_COLUMNS: list[Column[Project]] = [
    ("name", lambda p: p.name),
    ("id", lambda p: p.id),
    ("created", lambda p: p.created_at),
]
KEY_COLUMNS: list[Column[ApiKey]] = [
    ("id", lambda k: k.id),
    ("scope", lambda k: k.scope),
    ("project", lambda k: k.project or "(all)"),
    ("name", lambda k: k.name),
    ("ends in", lambda k: k.last4),
    ("created", lambda k: k.created_at),
    ("revoked", lambda k: k.revoked_at),
]
WEBHOOK_COLUMNS: list[Column[Webhook]] = [
    ("id", lambda w: w.id),
    ("url", lambda w: w.url),
    ("events", lambda w: w.events),
    ("enabled", lambda w: w.enabled),
    ("created", lambda w: w.created_at),
]
KEPT_NOWHERE = "shown only now: the collector keeps no copy"


def create_project(options: argparse.Namespace) -> int:
    return show_one(options, connect(options).create_project(options.name), PROJECT_COLUMNS)


def list_projects(options: argparse.Namespace) -> int:
    none = "no projects yet: `driftline projects create shop`"
    return show_list(options, connect(options).projects(), PROJECT_COLUMNS, none)


def create_key(options: argparse.Namespace) -> int:
    api = connect(options) if options.all_projects else connect_project(options)
    key = api.create_key(options.scope, options.name)
    secret: Column[ApiKey] = ("key", lambda k: f"{k.secret}  ({KEPT_NOWHERE})")
    return show_one(options, key, [secret, *KEY_COLUMNS])


def list_keys(options: argparse.Namespace) -> int:
    none = "no keys: `driftline keys create --scope ingest`"
    return show_list(options, _wide(options).keys(), KEY_COLUMNS, none)


def revoke_key(options: argparse.Namespace) -> int:
    return show_one(options, _wide(options).revoke_key(options.id), KEY_COLUMNS)


def create_webhook(options: argparse.Namespace) -> int:
    webhook = connect_project(options).create_webhook(options.target, options.event or ["*"])
    secret: Column[Webhook] = ("secret", lambda w: f"{w.secret}  ({KEPT_NOWHERE})")
    return show_one(options, webhook, [secret, *WEBHOOK_COLUMNS])


def list_webhooks(options: argparse.Namespace) -> int:
    none = "no webhooks: `driftline webhooks create https://example.com/hook`"
    return show_list(options, connect_project(options).webhooks(), WEBHOOK_COLUMNS, none)


def delete_webhook(options: argparse.Namespace) -> int:
    connect_project(options).delete_webhook(options.id)
    return show_facts(options, {"deleted": options.id})


def _wide(options: argparse.Namespace) -> Api:
    """The chosen project, else all of them."""
    return connect(options).for_project(options.project)


def _name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="letters, digits, - and _; shown everywhere")


def _id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="as `list` prints it")


def _key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scope",
        required=True,
        choices=["ingest", "read", "work", "admin"],
        help="what it may do: write events and scores; read; work (for workers and trainers, "
        "includes read); everything",
    )
    parser.add_argument("--name", default="", help="a note for people")
    parser.add_argument(
        "--all-projects", action="store_true", help="a service key, valid for every project"
    )


def _webhook(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="URL", help="https, public (see DRIFTLINE_WEBHOOK_ALLOW)")
    parser.add_argument(
        "--event",
        action="append",
        choices=[
            "*",
            "incident.opened",
            "incident.updated",
            "incident.resolved",
            "job.finished",
        ],
        help="repeat for several; default: all",
    )


COMMANDS = (
    Command(
        "projects",
        "create and list projects",
        "A project is one application under watch: its events, its reference, its incidents.",
        "driftline projects create shop",
        children=(
            Command(
                "create",
                "create a project, or show the one of that name",
                "Creating it twice is harmless: the answer is the existing project.",
                "driftline projects create shop",
                create_project,
                _name,
                connects=True,
            ),
            Command(
                "list",
                "list the projects",
                "All projects the key may see.",
                "driftline projects list --json",
                list_projects,
                connects=True,
            ),
        ),
    ),
    Command(
        "keys",
        "create, list and revoke API keys",
        "Applications get an `ingest` key, workers a `work` key, scripts that look a `read` key.",
        "driftline keys create --project shop --scope ingest --name checkout-service",
        children=(
            Command(
                "create",
                "create a key; it is shown once",
                "Prints the key. Only a hash of it is stored, so keep it now or create another.",
                "driftline keys create --project shop --scope ingest --name checkout-service",
                create_key,
                _key,
                connects=True,
            ),
            Command(
                "list",
                "list the keys, without their secrets",
                "Of one project with --project, else of all.",
                "driftline keys list",
                list_keys,
                connects=True,
            ),
            Command(
                "revoke",
                "end a key",
                "Whoever uses it is answered 401 from now on. It cannot be undone.",
                "driftline keys revoke k3x9",
                revoke_key,
                _id,
                connects=True,
            ),
        ),
    ),
    Command(
        "webhooks",
        "create, list and delete webhooks",
        "A webhook hears of incidents and finished jobs, signed by the Standard Webhooks scheme. "
        "examples/receive_webhook.py is a receiver that verifies the signature.",
        "driftline webhooks create https://example.com/hook --event incident.opened",
        children=(
            Command(
                "create",
                "add an endpoint; its signing secret is shown once",
                "The target must be https and public, unless the operator allows its network with "
                "DRIFTLINE_WEBHOOK_ALLOW on the collector.",
                "driftline webhooks create https://example.com/hook --event incident.opened",
                create_webhook,
                _webhook,
                connects=True,
            ),
            Command(
                "list",
                "list the endpoints",
                "Disabled ones answered 410 and are not called any more.",
                "driftline webhooks list",
                list_webhooks,
                connects=True,
            ),
            Command(
                "delete",
                "remove an endpoint",
                "Deliveries that wait for it are dropped.",
                "driftline webhooks delete wh_1",
                delete_webhook,
                _id,
                connects=True,
            ),
        ),
    ),
)
