"""What deploy/kubernetes and deploy/container promise: no root, a read-only root, drains."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # ships none

from querylake_api.configuration.loading import load_configuration

BASE = Path("deploy/kubernetes/base")
OVERLAYS = sorted(Path("deploy/kubernetes/overlays").iterdir())
RECIPES = sorted(Path("deploy/container").glob("Containerfile.*"))
LABEL = {"app.kubernetes.io/name": "querylake-api"}


def resource(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((BASE / f"{name}.yaml").read_text())
    return loaded


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = resource("deployment")["spec"]["template"]["spec"]
    return spec


def test_every_file_of_the_base_is_part_of_it() -> None:
    listed = resource("kustomization")["resources"]
    present = {path.name for path in BASE.iterdir()} - {"kustomization.yaml"}
    assert set(listed) == present


def test_pods_run_without_root_and_without_a_writable_root() -> None:
    assert pod()["securityContext"]["runAsNonRoot"] is True
    for container in pod()["containers"]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_what_selects_pods_selects_those_of_the_api_alone() -> None:
    """An empty selector would be every pod of the namespace, and kustomize leaves it empty."""
    assert resource("disruption-budget")["spec"]["selector"] == {"matchLabels": LABEL}
    assert resource("network-policy")["spec"]["podSelector"] == {"matchLabels": LABEL}
    labels = resource("kustomization")["labels"]
    assert labels == [{"pairs": LABEL, "includeSelectors": True}]


def test_secrets_are_named_and_not_written_down() -> None:
    for variable in pod()["containers"][0]["env"]:
        assert "value" not in variable
        assert "secretKeyRef" in variable["valueFrom"]


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_the_configuration_of_an_overlay_fits_its_pods(overlay: Path) -> None:
    settings = load_configuration(overlay / "querylake.toml").settings
    assert settings.server.host == "0.0.0.0"
    assert settings.server.port == pod()["containers"][0]["ports"][0]["containerPort"]
    assert pod()["terminationGracePeriodSeconds"] > settings.server.drain_seconds + 10
    mounts = [mount["mountPath"] for mount in pod()["containers"][0]["volumeMounts"]]
    assert str(settings.server.state_dir.parent) in mounts


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_images_run_without_root_and_take_signals_themselves(recipe: Path) -> None:
    text = recipe.read_text()
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    # The form of a list: a shell in between would not pass SIGTERM on.
    program = r'^ENTRYPOINT \["/usr/bin/python3", "/opt/querylake/\w+\.pex"\]$'
    assert re.search(program, text, re.MULTILINE)
    assert "STOPSIGNAL SIGTERM" in text
    assert "HEALTHCHECK" in text
