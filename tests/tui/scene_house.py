"""Contents for the stage: Studio's own settings, keys and findings."""

from __future__ import annotations

from studio_core import wire
from tests.tui.stage import Stage


def furnish(stage: Stage) -> None:
    """Settings of every origin, keys, and what a doctor says."""
    stage.settings_shown = [
        wire.SettingView(name="host", value="127.0.0.1", doc="address on which the gateway listens", variable="VLLM_STUDIO_HOST"),
        wire.SettingView(name="port", value=8081, origin="environment VLLM_STUDIO_PORT", variable="VLLM_STUDIO_PORT",
                         doc="port on which the gateway listens", kind="a port from 0 to 65535"),
        wire.SettingView(name="api_key", value="***", origin="/home/ada/studio.yaml", stored="***",
                         secret=True, variable="VLLM_STUDIO_API_KEY",
                         doc="a key with every scope, in addition to those in the database"),
        wire.SettingView(name="exclusive", value=True, stored=False, pending=True, kind="true or false",
                         variable="VLLM_STUDIO_EXCLUSIVE", doc="one model at a time: a launch stops what runs"),
        wire.SettingView(name="grace_s", value=30.0, kind="a number above 0", variable="VLLM_STUDIO_GRACE_S",
                         doc="seconds an engine gets to stop before it is killed"),
    ]
    stage.keys_shown = [
        wire.KeyView(id="k-0f3a11bc22de", name="admin", scopes=["admin"], created_at="2026-11-20T08:14:00+00:00", own=True),
        wire.KeyView(id="k-77aa01d3c4f5", name="open-webui", scopes=["inference", "read"], created_at="2026-11-22T17:40:00+00:00"),
        wire.KeyView(id="k-91c5be60aa37", name="prometheus", scopes=["metrics"], created_at="2026-11-23T09:02:00+00:00"),
    ]
    stage.findings = [
        wire.DoctorFinding("python", "ok", "Python 3.11.7"),
        wire.DoctorFinding("disk", "ok", "212 GiB free in the state directory"),
        wire.DoctorFinding("logout", "warn", "a logout ends Studio and its engines", "KillUserProcesses is on",
                           "loginctl enable-linger ada"),
        wire.DoctorFinding("shared memory", "fail", "/dev/shm has 64 MiB", "vLLM with several GPUs needs more",
                           "mount -o remount,size=16G /dev/shm"),
    ]
