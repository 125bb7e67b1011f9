"""The files of `deploy/`: valid, confined, and at one with each other and with the program."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from alambique.api.app import BODY_LIMIT
from alambique.api.connections import Limits
from alambique.api.predictor import MOST_BYTES
from alambique.cli.program import program
from alambique.registry.database import Database
from alambique.spec.settings import Settings
from alambique.workers.environment import ray_environment
from alambique.workers.queue.dispatcher import GRACE

REPO = Path(__file__).parents[2]
DOCKERFILES = ("api.Dockerfile", "worker.Dockerfile")
UNITS = ("alambique-migrate.service", "alambique-api.service", "alambique-worker.service")
COMMANDS = {"api", "worker", "db"}
OURS = re.compile(r"\bALAMBIQUE_[A-Z_]+")
KUBERNETES = "1.34"
"""The version whose schemas the manifests are compared with."""


@pytest.fixture(scope="module")
def tool() -> Callable[[str], str]:
    """Finds a program that a package of the `dev` extra brings."""

    def find(name: str) -> str:
        found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        if found is None:
            pytest.skip(f"{name} is not installed")
        return found

    return find


@pytest.fixture(scope="module")
def compose(deploy: Path) -> dict[str, Any]:
    found = yaml.safe_load((deploy / "compose" / "compose.yaml").read_text())
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def manifests(deploy: Path) -> list[dict[str, Any]]:
    """What kustomize makes of the folder, as far as its kustomization.yaml goes."""
    folder = deploy / "kubernetes"
    said = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert said.keys() == {"apiVersion", "kind", "namespace", "resources", "labels", "images"}
    texts = [(folder / name).read_text() for name in said["resources"]]
    found = [one for text in texts for one in yaml.safe_load_all(text)]
    images = {one["name"]: f"{one['newName']}:{one['newTag']}" for one in said["images"]}
    ((labels,),) = [one.values() for one in said["labels"]]
    for one in found:
        if one["kind"] != "Namespace":
            one["metadata"]["namespace"] = said["namespace"]
        one["metadata"]["labels"] = one["metadata"].get("labels", {}) | labels
    for pod in pods(found):
        for each in pod["spec"]["containers"]:
            each["image"] = images.get(each["image"], each["image"])
    return found


def version_of(package: str) -> str:
    """That of the constraints."""
    found = re.search(rf"^{package}==(\S+)$", (REPO / "constraints.txt").read_text(), re.M)
    assert found
    return found[1]


def our_version() -> str:
    found = re.search(r'^version = "(.+)"$', (REPO / "pyproject.toml").read_text(), re.M)
    assert found
    return found[1]


def steps(dockerfile: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile and what they say, lines that go on joined."""
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(), flags=re.M).replace("\\\n", " ")
    return [(a, b) for a, _, b in (line.partition(" ") for line in text.splitlines() if line)]


def check_command(words: list[str]) -> None:
    """Raise where the program has no such command, or it none of these options."""
    command: Any = get_command(program())
    name, *rest = words
    while (commands := getattr(command, "commands", None)) is not None:
        command = commands[name]
        if rest and getattr(command, "commands", None):
            name, *rest = rest
    command.make_context(name, rest)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_finds_nothing(deploy: Path, tool: Callable[[str], str], name: str) -> None:
    subprocess.run([tool("hadolint"), str(deploy / name)], check=True)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_is_pinned_without_root_and_asked_for_its_health(deploy: Path, name: str) -> None:
    found = steps(deploy / name)
    bases = [value for kind, value in found if kind == "ARG" and value.startswith("PYTHON_IMAGE")]
    assert [
        re.fullmatch(r"PYTHON_IMAGE=python:3\.11\.\d+-slim-\w+", base) is None for base in bases
    ] == [False]
    assert {value.split()[0] for kind, value in found if kind == "FROM"} == {"${PYTHON_IMAGE}"}
    last = dict(found)
    assert last["USER"] == "10001:10001"
    assert "CMD [" in last["HEALTHCHECK"]
    assert last["STOPSIGNAL"] == "SIGTERM"
    words = [*yaml.safe_load(last["ENTRYPOINT"]), *yaml.safe_load(last["CMD"])]
    assert words[0] == "alambique"
    check_command(words[1:])
    installs = [value for kind, value in found if kind == "RUN" and "constraints.txt" in value]
    assert installs
    assert all("-c constraints.txt" in value for value in installs)


def test_nodes_of_ray_get_what_drivers_set_for_themselves(deploy: Path) -> None:
    said = dict(steps(deploy / "worker.Dockerfile"))["ENV"]
    environment = dict(word.split("=", 1) for word in shlex.split(said))
    wanted = ray_environment(Path("/nowhere"), {"RAY_AUTH_TOKEN": "given"})
    assert {name: environment.get(name) for name in wanted} == wanted


def test_compose_is_valid(deploy: Path, tool: Callable[[str], str]) -> None:
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    subprocess.run([*command, str(deploy / "compose" / "compose.yaml")], check=True)


def test_only_the_proxy_is_published(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    assert not [name for name, service in services.items() if "network_mode" in service]
    outside = [name for name, service in services.items() if "outside" in service["networks"]]
    assert outside == ["proxy"]
    assert not {"inside", "out"} & set(services["proxy"]["networks"])
    assert compose["networks"]["inside"] == compose["networks"]["front"] == {"internal": True}


def test_every_container_is_confined(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert {"cpus", "memory"} <= service["deploy"]["resources"]["limits"].keys()
        ours = re.search(r"alambique-(api|worker):", service["image"])
        # ours bring a user and a question for their health
        assert ours or {"user", "healthcheck"} <= service.keys()
        if ours:
            assert service["image"].endswith(f"{ours[0]}{our_version()}}}")
        else:
            assert re.search(r":-\w+:\d+\.\d+[\w.-]*\}$", service["image"])


def test_ray_asks_for_a_token_everywhere(
    compose: dict[str, Any], manifests: list[dict[str, Any]]
) -> None:
    nodes = {
        name: one
        for name, one in compose["services"].items()
        if "ray" in str(one["command" if "command" in one else "image"])
    }
    assert nodes.keys() == {"ray-head", "ray-worker", "dispatcher"}
    for node in nodes.values():
        assert node["environment"]["RAY_AUTH_MODE"] == "token"
        assert node["environment"]["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
        assert "ray_token" in node["secrets"]
    (cluster,) = [one for one in manifests if one["kind"] == "RayCluster"]
    assert cluster["spec"]["authOptions"] == {"mode": "token"}
    assert cluster["spec"]["rayVersion"] == version_of("ray")
    (token,) = [
        one["valueFrom"]["secretKeyRef"]
        for one in container(manifests, "dispatcher")["env"]
        if one["name"] == "RAY_AUTH_TOKEN"
    ]
    # the names that KubeRay gives to what it makes
    assert token == {"name": cluster["metadata"]["name"], "key": "auth_token"}


def test_workers_of_ray_find_the_shared_tier_in_their_environment(
    compose: dict[str, Any], manifests: list[dict[str, Any]]
) -> None:
    for name in ("ray-head", "ray-worker", "dispatcher"):
        (command,) = compose["services"][name]["command"]
        assert command.startswith('export ALAMBIQUE_REDIS_URL="$$(cat /run/secrets/alambique_redis')
        assert "alambique_redis_url" in compose["services"][name]["secrets"]
        found = {one["name"]: one for one in container(manifests, name)["env"]}
        secret = found["ALAMBIQUE_REDIS_URL"]["valueFrom"]["secretKeyRef"]
        assert secret == {"name": "alambique-redis", "key": "alambique_redis_url"}


def test_who_asks_the_hub_has_its_token_and_nobody_else(
    compose: dict[str, Any], manifests: list[dict[str, Any]]
) -> None:
    having = {name for name, one in compose["services"].items() if "hf_token" in str(one)}
    assert having == {"api", "dispatcher"}
    for name in having:
        service = compose["services"][name]
        assert "out" in service["networks"]
        assert "hf_token" in service["secrets"]
        assert service["environment"]["HF_TOKEN_PATH"] == "/run/secrets/hf_token"
        (token,) = [one for one in container(manifests, name)["env"] if one["name"] == "HF_TOKEN"]
        # without that Secret the pod starts all the same
        assert token["valueFrom"]["secretKeyRef"]["optional"] is True
    assert str(manifests).count("'HF_TOKEN'") == len(having)


def test_only_the_dispatcher_and_the_api_can_open_the_database(compose: dict[str, Any]) -> None:
    having = [
        name
        for name, one in compose["services"].items()
        if "alambique_database_url" in one.get("secrets", [])
    ]
    assert having == ["api", "migrate", "dispatcher"]


def test_the_secrets_of_compose_are_those_that_the_script_makes(
    compose: dict[str, Any], make_secrets: Callable[..., str], tmp_path: Path
) -> None:
    make_secrets(str(tmp_path / "etc" / "secrets"), "distil.example")
    (tmp_path / "etc" / "secrets").rename(tmp_path / "secrets")
    assert (tmp_path / "etc").stat().st_mode & 0o055 == 0o055  # the proxy's files lie beside it
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    files = {one["file"].rpartition("/")[2] for one in compose["secrets"].values()}
    assert files == made.keys()
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert made["alambique_database_url"].startswith(
        f"postgresql://alambique:{made['postgres_password'].strip()}@postgres/"
    )
    Database(made["alambique_database_url"].strip()).dispose()  # a URL that the registry takes
    assert made["alambique_redis_url"] == f"redis://:{made['redis_password'].strip()}@redis/0\n"
    assert len(made["ray_token"].strip()) == 64
    assert made["hf_token"].strip() == ""  # the hub's library takes that for no token
    # a second call changes nothing
    assert make_secrets(str(tmp_path / "secrets"), "distil.example") == ""
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == made


def test_the_proxy_lets_a_kept_connection_go_before_the_server_does() -> None:
    for path in (REPO / "deploy" / "nginx").glob("upstream.*.conf"):
        (seconds,) = re.findall(r"keepalive_timeout (\d+)s;", path.read_text())
        assert int(seconds) < Limits().idle


def pods(manifests: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The templates of all pods."""
    for one in manifests:
        spec = one.get("spec", {})
        if "template" in spec:
            yield spec["template"]
        if one["kind"] == "RayCluster":
            yield from (group["template"] for group in groups(one))


def groups(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    return [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]


def container(manifests: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = [
        one for pod in pods(manifests) for one in pod["spec"]["containers"] if one["name"] == name
    ]
    assert isinstance(found, dict)
    return found


def test_kustomize_makes_these_manifests(
    deploy: Path, program_of: Callable[[str], str], manifests: list[dict[str, Any]]
) -> None:
    command = [program_of("kubectl"), "kustomize", str(deploy / "kubernetes")]
    made = list(yaml.safe_load_all(subprocess.check_output(command, text=True)))

    def named(some: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
        return {(one["kind"], one["metadata"]["name"]): one for one in some}

    assert named(made) == named(manifests)


def test_manifests_are_valid(
    manifests: list[dict[str, Any]], tool: Callable[[str], str], tmp_path: Path
) -> None:
    """Of Ray's own kind, which has no schema here, the pods in it, and its fields by name."""
    checked = [one for one in manifests if one["kind"] != "RayCluster"]
    (cluster,) = [one for one in manifests if one["kind"] == "RayCluster"]
    for group in groups(cluster):
        head = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "pod"}}
        checked.append(head | {"template": group["template"]})
        assert group.keys() - {"groupName", "replicas", "minReplicas", "maxReplicas"} <= {
            "rayStartParams",
            "serviceType",
            "template",
        }
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
    assert cluster["apiVersion"] == "ray.io/v1"
    assert cluster["spec"].keys() == {
        "rayVersion",
        "authOptions",
        "headGroupSpec",
        "workerGroupSpecs",
    }
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(checked))
    command = [
        tool("kubernetes-validate"),
        "-k",
        KUBERNETES,
        "--strict",
        str(tmp_path / "all.yaml"),
    ]
    subprocess.run(command, check=True)


def test_every_pod_is_confined(manifests: list[dict[str, Any]]) -> None:
    """As the namespace demands, and more."""
    found = list(pods(manifests))
    assert len(found) == 5
    for pod in found:
        spec = pod["spec"]
        user = spec["securityContext"]
        assert (user["runAsNonRoot"], user["runAsUser"], user["fsGroup"]) == (True, 10001, 10001)
        assert user["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        (one,) = spec["containers"]
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} == one["resources"]["limits"].keys()
        assert one["name"] == "migrate" or "livenessProbe" in one
        image, _, tag = one["image"].partition(":")
        assert (image in ("alambique-api", "alambique-worker"), tag) == (True, our_version())


def test_the_names_of_the_manifests_are_those_of_what_they_mean(
    manifests: list[dict[str, Any]],
) -> None:
    of_kind: dict[str, set[str]] = {}
    for one in manifests:
        of_kind.setdefault(one["kind"], set()).add(one["metadata"]["name"])
    text = yaml.safe_dump_all(manifests)
    assert set(re.findall(r"claimName: (\S+)", text)) == of_kind["PersistentVolumeClaim"]
    maps = {
        source["configMapRef"]["name"]
        for pod in pods(manifests)
        for source in pod["spec"]["containers"][0]["envFrom"]
    }
    assert maps == of_kind["ConfigMap"]
    (service,) = [one for one in manifests if one["kind"] == "Service"]
    (ingress,) = [one for one in manifests if one["kind"] == "Ingress"]
    (settings,) = [one for one in manifests if one["kind"] == "ConfigMap"]
    hosts = {rule["host"] for rule in ingress["spec"]["rules"]}
    assert hosts == {settings["data"]["ALAMBIQUE_HOSTS"]} == set(ingress["spec"]["tls"][0]["hosts"])
    paths = ingress["spec"]["rules"][0]["http"]["paths"]
    assert [path["backend"]["service"]["name"] for path in paths] == [service["metadata"]["name"]]
    api = container(manifests, "api")
    assert api["ports"][0]["containerPort"] == service["spec"]["ports"][0]["port"] == 8400
    labels = [pod["metadata"]["labels"]["app"] for pod in pods(manifests)]
    assert labels.count(service["spec"]["selector"]["app"]) == 1


@pytest.mark.parametrize("folder", ["compose", "kubernetes", "systemd"])
def test_variables_are_settings(deploy: Path, folder: str) -> None:
    known = {f"ALAMBIQUE_{name.upper()}" for name in Settings.model_fields}
    paths = [path for path in (deploy / folder).iterdir() if path.is_file()]
    named = {name for path in paths for name in OURS.findall(path.read_text())}
    assert named
    assert named <= known


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_a_command_of_the_program(deploy: Path, name: str) -> None:
    unit = (deploy / "systemd" / name).read_text()
    (command,) = re.findall(r"^ExecStart=(.+)$", unit, re.M)
    path, *words = shlex.split(command)
    assert path == "/opt/alambique/bin/alambique"
    assert words[0] in COMMANDS
    check_command(words)


def test_services_have_longer_to_stop_than_they_need(
    deploy: Path, compose: dict[str, Any], manifests: list[dict[str, Any]]
) -> None:
    unit = (deploy / "systemd" / "alambique-worker.service").read_text()
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.M)
    (pod,) = [
        pod["spec"]
        for pod in pods(manifests)
        if pod["metadata"]["labels"]["app"] == "alambique-dispatcher"
    ]
    stops = [seconds, compose["services"]["dispatcher"]["stop_grace_period"].rstrip("s")]
    assert min(map(float, [*stops, pod["terminationGracePeriodSeconds"]])) > 2 * GRACE


def test_systemd_understands_the_units(
    deploy: Path, program_of: Callable[[str], str], tmp_path: Path
) -> None:
    for name in UNITS:
        text = (deploy / "systemd" / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/alambique/bin/alambique", "/bin/true"))
    command = [program_of("systemd-analyze"), "verify", *(str(tmp_path / name) for name in UNITS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line for line in done.stderr.splitlines() if "alambique-" in line] == []


def test_the_image_of_the_api_has_what_runs_a_model(
    deploy: Path, compose: dict[str, Any], manifests: list[dict[str, Any]]
) -> None:
    extras = tomllib.loads((REPO / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]

    def requirements(extra: str) -> Iterator[str]:
        for one in extras[extra]:
            nested = re.fullmatch(r"alambique\[(.+)\]", one)
            if nested:
                for name in nested[1].split(","):
                    yield from requirements(name)
            else:
                yield re.split(r"[\[<>=;~ ]", one)[0]

    (installed,) = re.findall(r'"\$\{wheel\}\[(.+)\]"', (deploy / "api.Dockerfile").read_text())
    packages = set(requirements(installed))
    assert "onnxruntime" in packages
    assert not {"torch", "ray"} & packages
    # two copies of each file, as the runtime may take in memory, fit with as much room again
    unit = (deploy / "systemd" / "alambique-api.service").read_text()
    limits = (
        compose["services"]["api"]["deploy"]["resources"]["limits"]["memory"],
        container(manifests, "api")["resources"]["limits"]["memory"],
        *re.findall(r"^MemoryMax=(.+)$", unit, re.M),
    )
    assert [one.upper().rstrip("I") for one in limits] == [f"{4 * MOST_BYTES >> 30}G"] * 3


def test_the_proxy_takes_bodies_as_large_as_the_api_does(deploy: Path) -> None:
    site = (deploy / "nginx" / "alambique.conf").read_text()
    assert re.findall(r"client_max_body_size (\w+);", site) == [f"{BODY_LIMIT >> 20}m"]
    assert f"{BODY_LIMIT:,} bytes" in site


@pytest.mark.parametrize("name", ["upstream.host.conf", "upstream.compose.conf"])
def test_the_proxy_asks_the_port_that_the_api_listens_on(deploy: Path, name: str) -> None:
    (port,) = re.findall(r"server [\w.]+:(\d+)", (deploy / "nginx" / name).read_text())
    unit = (deploy / "systemd" / "alambique-api.service").read_text()
    image = dict(steps(deploy / "api.Dockerfile"))
    assert f"--port {port}" in unit
    assert yaml.safe_load(image["CMD"])[-1] == port == image["EXPOSE"]
