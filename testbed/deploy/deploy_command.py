"""`airsplit deploy`: real components from one site's description; only options and printing."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

EXAMPLES = """examples:
  airsplit deploy init site.yaml                    a site to begin with
  airsplit deploy check site.yaml                   what contradicts what in it
  airsplit deploy render site.yaml --out lab        gNB, core, UEs, RIC, tap, systemd units
  airsplit deploy render site.yaml --out lab --form compose
  airsplit deploy check lab                         the folder, as you edited it, against its site
  airsplit deploy subscribers site.yaml | bash      into Open5GS's database, or up to date there
  airsplit deploy e2-lab --out e2-lab --ric 127.0.0.1
  airsplit deploy promote --pcf http://127.0.0.13:7777 --dnn llm \\
      --flow tcp:10.46.0.2:40000:192.0.2.7:8470 --down '20 Mbps' --up '20 Mbps'
  airsplit deploy release --pcf http://127.0.0.13:7777 SESSION

The guide is docs/deploy.md."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "Configurations of real components (srsRAN, OCUDU, OAI, Open5GS, FlexRIC, an OSC RIC and\n"
        "our own parts) from one description of a site, so that names and numbers agree.")
    parser.epilog = EXAMPLES
    orders = parser.add_subparsers(dest="deploy_command", required=True, metavar="COMMAND")
    init = orders.add_parser("init", help="write a site to begin with")
    init.add_argument("file", type=Path, nargs="?", default=Path("site.yaml"), metavar="FILE")
    render = orders.add_parser("render", help="write every component's files")
    render.add_argument("site", type=Path, metavar="SITE")
    render.add_argument("--out", type=Path, required=True, metavar="DIR")
    render.add_argument("--form", choices=("bare", "compose"), default="bare",
                        help="systemd units, or containers (default: %(default)s)")
    check = orders.add_parser("check", help="find mistakes in a site, or in a rendered folder")
    check.add_argument("what", type=Path, metavar="SITE|DIR")
    check.add_argument("--json", action="store_true", help="print each finding as a JSON line")
    people = orders.add_parser("subscribers", help="entries of all UEs for Open5GS")
    people.add_argument("site", type=Path, metavar="SITE")
    people.add_argument("--format", choices=("mongosh", "json"), default="mongosh",
                        help="a script that may be run again, or documents for mongoimport "
                             "(default: %(default)s)")
    lab = orders.add_parser("e2-lab", help="a gNB with test UEs and no core: a real E2 peer")
    lab.add_argument("--out", type=Path, required=True, metavar="DIR")
    lab.add_argument("--gnb", choices=("srsran", "ocudu"), default="srsran")
    lab.add_argument("--ric", default="127.0.0.1", metavar="ADDRESS",
                     help="where it listens (default: %(default)s)")
    lab.add_argument("--address", metavar="ADDRESS",
                     help="the gNB's own, for a RIC elsewhere; without it, the gNB's remote "
                          "control is off there")
    lab.add_argument("--port", type=int, default=36421, help="of E2 (default: %(default)s)")
    lab.add_argument("--ues", type=int, default=2, metavar="N", help="test UEs (default: 2)")
    _configure_promotion(orders)
    for one in orders.choices.values():
        one.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.set_defaults(run=run)


def _configure_promotion(orders: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    one = orders.add_parser("promote", help="ask the core to give one flow a QoS flow of its own")
    one.add_argument("--flow", required=True, metavar="PROTOCOL:UE:PORT:PEER:PORT",
                     help="such as tcp:10.46.0.2:40000:192.0.2.7:8470")
    one.add_argument("--dnn", required=True)
    one.add_argument("--slice", metavar="SST-SD", help="where the DNN is in several")
    one.add_argument("--imsi", help="where several UEs have that address")
    one.add_argument("--media", choices=("AUDIO", "VIDEO", "CONTROL"), default="VIDEO",
                     help="decides the 5QI: 1, 2 or 5 (default: %(default)s)")
    one.add_argument("--reference", metavar="NAME", help="qosReference, of a PCF that knows them")
    one.add_argument("--down", metavar="RATE", help="such as '20 Mbps'")
    one.add_argument("--up", metavar="RATE")
    end = orders.add_parser("release", help="end a promotion")
    end.add_argument("session", metavar="SESSION")
    for parser in (one, end):
        parser.add_argument("--pcf", required=True, metavar="URL",
                            help="such as http://127.0.0.13:7777")


def run(arguments: argparse.Namespace) -> int:
    """One order."""
    return {"init": _init, "render": _render, "check": _check, "subscribers": _subscribers,
            "e2-lab": _e2_lab, "promote": _promote, "release": _release}[
                arguments.deploy_command](arguments)


def _init(arguments: argparse.Namespace) -> int:
    from testbed.deploy.render import TEMPLATES

    _write(arguments.file, (TEMPLATES / "site.yaml").read_text(encoding="utf-8"), fresh=True)
    print(f"{arguments.file}: edit it, then airsplit deploy check {arguments.file}",
          file=sys.stderr)
    return 0


def _render(arguments: argparse.Namespace) -> int:
    from testbed.deploy import site as site_file
    from testbed.deploy.render import Form

    text = _read(arguments.site)
    return _made(site_file.load(arguments.site), text, arguments.out, Form(arguments.form))


def _made(site: object, text: str, out: Path, form: object) -> int:
    from testbed.deploy.check_site import site_findings
    from testbed.deploy.errors import DeployError
    from testbed.deploy.findings import SITE, Severity
    from testbed.deploy.render import Form, rendered, write
    from testbed.deploy.site import SiteConfig

    assert isinstance(site, SiteConfig)
    assert isinstance(form, Form)
    if out.is_dir() and any(out.iterdir()) and not (out / SITE).exists():
        raise DeployError(f"{out} holds other files: give a new folder.")
    findings = site_findings(site)
    for finding in findings:
        print(finding, file=sys.stderr)
    if any(one.severity is Severity.ERROR for one in findings):
        raise DeployError("The site contradicts itself, so nothing was written: correct it first.")
    files = {**rendered(site, form), SITE: text}
    write(files, out)
    print(f"{out}: {len(files)} files; what to do is in {out}/README.md", file=sys.stderr)
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from testbed.deploy import site as site_file
    from testbed.deploy.check_folder import folder_findings
    from testbed.deploy.check_site import site_findings
    from testbed.deploy.findings import Severity

    if arguments.what.is_dir():
        findings = folder_findings(arguments.what)
    else:
        findings = site_findings(site_file.load(arguments.what))
    for one in findings:
        print(json.dumps(asdict(one) | {"severity": one.severity.value}) if arguments.json
              else one)
    errors = sum(one.severity is Severity.ERROR for one in findings)
    print(f"{arguments.what}: {errors} errors, {len(findings) - errors} warnings",
          file=sys.stderr)
    return 1 if errors else 0


def _subscribers(arguments: argparse.Namespace) -> int:
    from testbed.deploy import site as site_file
    from testbed.deploy import subscribers

    site = site_file.load(arguments.site)
    text = (subscribers.script if arguments.format == "mongosh" else subscribers.mongo)(site)
    sys.stdout.write(text)
    return 0


def _e2_lab(arguments: argparse.Namespace) -> int:
    from testbed.deploy.e2_lab import e2_lab, site_text
    from testbed.deploy.render import Form
    from testbed.deploy.site import GnbKind

    kind = GnbKind(arguments.gnb)
    site = e2_lab(kind, arguments.ric, arguments.port, arguments.ues, arguments.address)
    return _made(site, site_text(site), arguments.out, Form.BARE)


def _promote(arguments: argparse.Namespace) -> int:
    from testbed.deploy.promotion import Wish, parse_flow
    from testbed.deploy.promotion_client import PromotionClient
    from xapp.observations import Snssai

    flow = parse_flow(arguments.flow)
    wish = Wish(arguments.media, arguments.reference, arguments.down, arguments.up)
    snssai = None if arguments.slice is None else Snssai.parse(arguments.slice)
    with PromotionClient(arguments.pcf) as client:
        print(client.promote(flow, arguments.dnn, wish, snssai=snssai, supi=arguments.imsi))
    return 0


def _release(arguments: argparse.Namespace) -> int:
    from testbed.deploy.promotion_client import PromotionClient

    with PromotionClient(arguments.pcf) as client:
        client.release(arguments.session)
    return 0


def _read(file: Path) -> str:
    from testbed.deploy.errors import DeployError

    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(f"{file} cannot be read: {error}.") from error


def _write(file: Path, text: str, *, fresh: bool) -> None:
    from testbed.deploy.errors import DeployError

    try:
        with file.open("x" if fresh else "w", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise DeployError(f"{file} is there already: name another.") from None
    except OSError as error:
        raise DeployError(f"{file} cannot be written: {error.strerror}.") from error
