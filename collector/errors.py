"""What can go wrong inside the collector, apart from an answer to a request (`problem.Problem`).

CollectorError
├── ConfigError            a setting is missing, wrong or unsafe; the message names it
├── Overloaded             too much is waiting to be stored; try again later
└── StoreError             a database did not do what it was asked
    ├── StoreInUse         another process holds the embedded database; the message says who
    ├── StoreUnreachable   no answer; trying again later may help
    └── BadRows            the database refused the rows; trying again will not help
"""

from __future__ import annotations


class CollectorError(Exception):
    """The root of everything this package raises on purpose."""


class ConfigError(CollectorError):
    """A setting is missing, wrong or unsafe."""


class Overloaded(CollectorError):
    """Too much is waiting to be stored."""


class StoreError(CollectorError):
    """A database did not do what it was asked."""


class StoreInUse(StoreError):
    """Another process holds the embedded database."""


class StoreUnreachable(StoreError):
    """No answer."""


class BadRows(StoreError):
    """The database refused the rows."""
