"""One process a directory."""

import os
import subprocess
import sys

import pytest

from driftline.collector.clickhouse import ClickHouse
from driftline.collector.errors import ConfigError, StoreInUse
from driftline.collector.lockfile import Lockfile

HOLD = """
import sys
from driftline.collector.lockfile import Lockfile
lock = Lockfile.take(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_directory_in_use_names_its_holder_and_what_to_do(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreInUse) as refused:
            ClickHouse.open(f"chdb://{tmp_path}")
        assert f"process {holder.pid}" in str(refused.value)
        assert "DRIFTLINE_HOME" in str(refused.value)
        holder.kill()
    Lockfile.take(str(tmp_path)).release()


def test_a_released_directory_can_be_taken_again(tmp_path):
    for _ in range(2):
        lock = Lockfile.take(str(tmp_path))
        assert (tmp_path / "driftline.lock").read_text() == f"{os.getpid()}\n"
        lock.release()
        lock.release()


def test_a_path_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="DRIFTLINE_HOME"):
        Lockfile.take(str(tmp_path / "file" / "inside"))
