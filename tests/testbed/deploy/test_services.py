"""Programs in their order, and the scripts that make devices and routes, run in namespaces."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.deploy.render import Form, rendered, write
from testbed.deploy.services import services, units
from testbed.deploy.site import RicKind, load
from tests.testbed.deploy.sites import TEXTS, example, lab, site

PREFIX = "/etc/airsplit/lab"
ROOT_TOOLS = os.geteuid() == 0 and all(map(shutil.which, ("ip", "unshare", "mount", "awk")))
needs_root = pytest.mark.skipif(not ROOT_TOOLS or not Path("/dev/net/tun").exists(),
                                reason="namespaces need root, ip and unshare")


@pytest.mark.parametrize("name", ["example", *TEXTS])
def test_nobody_comes_before_what_it_needs(tmp_path: Path, name: str) -> None:
    found = site(tmp_path, name)
    seen: set[str] = set()
    for unit in units(found, "/etc/airsplit/lab"):
        assert set(unit.after) <= seen
        seen.add(unit.name)
    names = {one.name for one in services(found, "/etc/airsplit/lab")}
    assert all(set(one.after) <= names for one in services(found, "/etc/airsplit/lab"))


def test_the_example_has_a_unit_for_each_program() -> None:
    names = [one.name.removeprefix("airsplit-lab-").removesuffix(".service")
             for one in units(example(), "/etc/airsplit/lab")]
    assert names[0] == "net"
    assert {"nrf", "amf", "upf", "tap0", "tap1", "xapp", "radio", "gnb", "ue-phone"} <= set(names)


def test_the_readme_says_which_machine_a_step_is_for(tmp_path: Path) -> None:
    steps = [line.split() for line in rendered(site(tmp_path, "usrp"), Form.BARE)[
        "README.md"].splitlines() if "systemctl start" in line]
    machines = {words[3].removeprefix("airsplit-lab-").removesuffix(".service"): words[-1]
                for words in steps if words[-2] == "at"}
    assert machines == {"amf": "192.0.2.5", "smf": "192.0.2.4", "upf": "192.0.2.7",
                        "net": "192.0.2.7", "tap0": "192.0.2.7", "tap1": "192.0.2.7",
                        "gnb": "192.0.2.2"}
    assert "# at" not in rendered(example(), Form.BARE)["README.md"]


def apart(script: str) -> str:
    """What `script` prints in network and mount namespaces of its own."""
    begin = "mount -t tmpfs none /run/netns && ip link set lo up && "
    Path("/run/netns").mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["unshare", "--net", "--mount", "bash", "-ec", begin + script],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_root
def test_devices_and_namespaces_come_and_go(tmp_path: Path) -> None:
    script = lab(tmp_path) / "net" / "core-net.sh"
    said = apart(f"{script} up; {script} up; ip -brief address; ip netns; echo --; "
                 f"{script} down; {script} down; ip -brief address; ip netns")
    up, down = said.split("--\n")
    assert "10.45.0.1/16" in up
    assert "10.46.0.1/16" in up
    assert "lab-phone" in up
    assert "ogstun" not in down
    assert "lab-phone" not in down


@needs_root
def test_an_oai_ue_reaches_the_gnb_from_its_namespace(tmp_path: Path) -> None:
    """What its command names is the host's end of its way, and answers there."""
    files = lab(tmp_path, "oai")
    script = files / "net" / "core-net.sh"
    place = re.findall(r"serveraddr (\S+)", (files / "ue" / "phone.conf").read_text())
    assert len(place) == 1
    hear = "import socket; print(socket.create_server(('0.0.0.0', 4043)).accept()[1][0])"
    ask = (f"import socket, time; end = time.monotonic() + 20\n"
           f"while time.monotonic() < end:\n"
           f"  try: socket.create_connection(('{place[0]}', 4043), 5); break\n"
           f"  except OSError: time.sleep(0.02)\n")
    said = apart(f'{script} up; {script} up; "{sys.executable}" -c "{hear}" & '
                 f'ip netns exec lab-phone "{sys.executable}" -c "{ask}"; wait; echo --; '
                 f"{script} down; {script} down; ip -brief link; ip netns")
    up, down = said.split("--\n")
    assert up.split() == ["10.201.1.2"]
    assert "airsplit-ue1" not in down
    assert "lab-phone" not in down


@pytest.mark.parametrize("name", ["example", *TEXTS])
def test_whatever_a_unit_starts_a_container_or_a_step_starts_too(tmp_path: Path,
                                                               name: str) -> None:
    found = site(tmp_path, name)
    steps = rendered(found, Form.COMPOSE)["README.md"]
    started = " ".join([steps, *(" ".join(one.command) for one in services(found, PREFIX))])
    for unit in units(found, PREFIX):
        words = [word.rpartition("/")[2] if word.startswith("/usr/") else word
                 for word in shlex.split(unit.start)]
        assert " ".join(words) in started, unit.name
    onboarding = [line for line in rendered(found, Form.BARE)["README.md"].splitlines()
                  if "dms_cli" in line]
    assert bool(onboarding) == (found.ric.kind is RicKind.OSC)
    assert [line for line in steps.splitlines() if "dms_cli" in line] == onboarding


@pytest.mark.parametrize("name", ["example", *TEXTS])
def test_a_gnbs_container_is_of_its_own_kind_unless_the_site_names_one(tmp_path: Path,
                                                                       name: str) -> None:
    found = site(tmp_path, name)
    images = {one.name: one.image for one in services(found, PREFIX)}
    assert found.gnb.kind.value in images["gnb"]
    named = replace(found, gnb=replace(found.gnb, image="registry.lab/own:7"))
    assert {one.name: one.image for one in services(named, PREFIX)}["gnb"] == "registry.lab/own:7"


@pytest.mark.parametrize("form", Form)
def test_every_ue_of_oais_is_started_as_its_file_says(tmp_path: Path, form: Form) -> None:
    files = rendered(site(tmp_path, "oai"), form)
    head = " ".join(re.findall(r"(?m)^#   *(.*?) ?\\?$", files["ue/phone.conf"])[:2])
    if form is Form.COMPOSE:
        assert f"    {head}\n" in files["README.md"]
    else:
        assert f"ExecStart=/usr/sbin/{head.removeprefix('sudo ')}\n" in files[
            "systemd/airsplit-lab-ue-phone.service"]
        assert "systemctl start airsplit-lab-ue-phone.service" in files["README.md"]


@needs_root
def test_the_apps_packets_leave_by_the_llm_session(tmp_path: Path) -> None:
    text = site(tmp_path, "oai")
    file = tmp_path / "site.yaml"
    file.write_text(file.read_text() + "phone_user: nobody\n")
    write(rendered(load(file), Form.BARE), tmp_path)
    script = tmp_path / "net" / "phone-routes.sh"
    assert text.phone_dnn == "llm"
    user = subprocess.run(["id", "-u", "nobody"], capture_output=True, text=True).stdout.strip()
    said = apart(
        "ip tuntap add oaitun_ue1 mode tun; ip tuntap add oaitun_ue1p2 mode tun; "
        "ip address add 10.45.0.2/16 dev oaitun_ue1; ip address add 10.46.0.2/16 dev oaitun_ue1p2; "
        "ip link set oaitun_ue1 up; ip link set oaitun_ue1p2 up; "
        "ip route add default dev oaitun_ue1; "
        f"{script} up oaitun_ue1p2; {script} up oaitun_ue1p2; "
        f"ip route get 192.0.2.7 uid {user}; ip route get 192.0.2.7 from 10.46.0.2; "
        "ip route get 192.0.2.7 uid 0; echo --; "
        f"{script} down; ip route get 192.0.2.7 uid {user}; ip rule")
    up, down = said.split("--\n")
    routes = [line for line in up.splitlines() if "192.0.2.7" in line]
    assert ["oaitun_ue1p2" in line for line in routes] == [True, True, False]
    assert "src 10.46.0.2" in routes[0]
    assert "oaitun_ue1p2" not in down
    assert "4210" not in down


@needs_root
def test_a_session_that_is_not_up_is_told(tmp_path: Path) -> None:
    script = lab(tmp_path) / "net" / "phone-routes.sh"
    said = apart(f"ip tuntap add tun_srsue mode tun; {script} up tun_srsue 2>&1 && echo WRONG "
                 "|| true")
    assert "no IPv4 address" in said
    assert "WRONG" not in said
