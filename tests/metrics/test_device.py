"""Where the models run, decided from facts about a machine."""

import argparse
from pathlib import Path

import pytest
import torch

from driftline.metrics import device
from driftline.sdk.errors import ConfigError

OLD_CPU = frozenset({"sse2", "avx2"})


@pytest.mark.parametrize("flag", sorted(device.FAST_BF16_FLAGS))
def test_bfloat16_is_used_where_the_cpu_multiplies_it(flag: str) -> None:
    assert device.pick_dtype("cpu", OLD_CPU | {flag}) == torch.bfloat16
    assert device.pick_dtype("cpu", OLD_CPU) == torch.float32


def test_cpu_flags_are_read_from_the_first_processor(tmp_path: Path) -> None:
    facts = tmp_path / "cpuinfo"
    facts.write_text("processor\t: 0\nflags\t\t: fpu amx_bf16\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    assert device.cpu_flags(facts) == {"fpu", "amx_bf16"}
    assert device.cpu_flags(tmp_path / "missing") == frozenset()


@pytest.mark.parametrize(("quota", "most"), [("50000 100000", 1), ("100000 100000\n", 1)])
def test_a_containers_quota_bounds_the_cores(tmp_path: Path, quota: str, most: int) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert device.usable_cores(file) == most


def test_without_a_quota_all_allowed_cores_count(tmp_path: Path) -> None:
    file = tmp_path / "cpu.max"
    file.write_text("max 100000\n")
    assert device.usable_cores(file) == device.usable_cores(tmp_path / "missing") >= 1


def test_a_setting_of_the_user_is_not_overridden() -> None:
    added = device.quiet_threads({"OMP_WAIT_POLICY": "ACTIVE"})
    assert "OMP_WAIT_POLICY" not in added and "KMP_BLOCKTIME" in added


def test_cpu_is_always_there_and_auto_finds_something() -> None:
    assert device.pick_device("cpu") == "cpu"
    assert device.pick_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_without_a_gpu_is_a_clear_error() -> None:
    with pytest.raises(ConfigError, match="no GPU"):
        device.pick_device("cuda")


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "cuda:0", "cuda:11"])
def test_a_device_is_named_as_torch_names_it(name: str) -> None:
    assert device.device_name(name) == name


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", ""])
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="cuda:0"):
        device.device_name(name)
