"""Start a real OpenLDAP server (Debian's slapd) for a rehearsal: own folder, loopback, a password policy that locks.

    python -m twins.slapd --folder DIR --load users.json --ready-file ready.json

It is no twin: the server is the one that companies run. People are below ou=people, groups below ou=groups.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SUFFIX = "dc=acme,dc=test"
ADMIN = f"cn=admin,{SUFFIX}"
EXTENSION = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
SCHEMAS = Path("/etc/ldap/schema")
MODULES = Path("/usr/lib/ldap")
SECONDS = 20.0
CONFIG = """\
dn: cn=config
objectClass: olcGlobal
cn: config
olcPidFile: {folder}/slapd.pid
{tls}
dn: cn=module{{0}},cn=config
objectClass: olcModuleList
cn: module{{0}}
olcModulePath: {modules}
olcModuleLoad: back_mdb
olcModuleLoad: ppolicy

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

include: file://{schemas}/core.ldif
include: file://{schemas}/cosine.ldif
include: file://{schemas}/inetorgperson.ldif

dn: olcDatabase=mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: mdb
olcDbDirectory: {folder}/db
olcSuffix: {suffix}
olcRootDN: {admin}
olcRootPW: {password}
olcSizeLimit: {sizelimit}
olcDbIndex: uid,entryUUID,member eq
olcAccess: to attrs=userPassword by self write by anonymous auth by * none
olcAccess: to * by users read by * none
olcLimits: dn.exact="cn=reader,{suffix}" size={sizelimit}

dn: olcOverlay=ppolicy,olcDatabase={{1}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcPPolicyConfig
olcOverlay: ppolicy
olcPPolicyUseLockout: {tells}
olcPPolicyDefault: cn=default,ou=policies,{suffix}
"""
SEED = """\
dn: {suffix}
objectClass: dcObject
objectClass: organization
dc: acme
o: Acme

dn: ou=people,{suffix}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{suffix}
objectClass: organizationalUnit
ou: groups

dn: ou=policies,{suffix}
objectClass: organizationalUnit
ou: policies

dn: cn=default,ou=policies,{suffix}
objectClass: device
objectClass: pwdPolicy
cn: default
pwdAttribute: userPassword
pwdLockout: {locks}

dn: cn=reader,{suffix}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reader
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the server until SIGTERM; 0, or 2 with one line on stderr where it cannot be started."""
    options = _parser().parse_args(arguments)
    server = shutil.which("slapd") or shutil.which("slapd", path="/usr/sbin")
    if server is None:
        sys.stderr.write("slapd: not on this machine; get it by: sudo apt-get install slapd ldap-utils\n")
        return 2
    options.folder.mkdir(parents=True, exist_ok=True)
    folder = options.folder.resolve()
    if not (folder / "config").exists():
        try:
            _make(server, folder, options)
        except (OSError, subprocess.CalledProcessError, ValueError) as error:
            sys.stderr.write(f"slapd: {getattr(error, 'stderr', None) or error}\n")
            return 2
    port = options.port or _free_port()
    urls = [f"ldap://127.0.0.1:{port}"]
    if options.certificate:
        urls.append(f"ldaps://localhost:{_free_port()}")
    command = [server, "-d", "0", "-F", str(folder / "config"), "-h", " ".join(f"{url}/" for url in urls)]
    process = subprocess.Popen(command)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: process.terminate())
    if not _answers(port, process):
        process.kill()
        sys.stderr.write(f"slapd: it did not answer on port {port} within {SECONDS:g} s\n")
        return 2
    if options.ready_file:
        ready = {
            "url": urls[0],
            "urls": urls,
            "pid": os.getpid(),
            "server": process.pid,
            "suffix": SUFFIX,
            "admin": ADMIN,
        }
        half = options.ready_file.with_suffix(".half")
        half.write_text(json.dumps(ready), encoding="utf-8")
        half.replace(options.ready_file)
    process.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m twins.slapd", description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--folder", type=Path, required=True, help="where it keeps its configuration and its data")
    add("--port", type=int, default=0, help="0 takes a free port")
    add("--ready-file", type=Path, help="JSON with url and pid, written once it answers")
    add("--journal", type=Path, help="taken and not used: the server keeps none")
    add("--load", type=Path, help="JSON list of SCIM users, or {users: [...], groups: [...]}")
    add("--password", default="Admin-pass-1", help="of the administrator; people's is their user name")
    add("--size-limit", type=int, default=100_000, help="most entries that anybody but the administrator is given")
    add("--no-lockout", action="store_true", help="a policy without pwdLockout: locks are taken and have no effect")
    add("--silent", action="store_true", help="do not say that an account is locked when somebody tries to sign in")
    add("--certificate", type=Path, help="PEM with certificate; listen with TLS too")
    add("--certificate-key", type=Path, help="PEM with its key")
    return parser


def _make(server: str, folder: Path, options: argparse.Namespace) -> None:
    tls = ""
    if options.certificate:
        tls = f"olcTLSCertificateFile: {options.certificate.resolve()}\n"
        tls += f"olcTLSCertificateKeyFile: {options.certificate_key.resolve()}\n"
    values = {
        "folder": folder, "modules": MODULES, "schemas": SCHEMAS, "suffix": SUFFIX, "admin": ADMIN, "tls": tls,
        "password": options.password, "sizelimit": options.size_limit, "tells": "FALSE" if options.silent else "TRUE",
        "locks": "FALSE" if options.no_lockout else "TRUE",
    }  # fmt: skip
    for name in ("new", "db"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "config.ldif").write_text(CONFIG.format_map(values), encoding="utf-8")
    content = json.loads(options.load.read_text(encoding="utf-8")) if options.load else []
    (folder / "seed.ldif").write_text(SEED.format_map(values) + "".join(_entries(content)), encoding="utf-8")
    _slapadd(server, "-n0", "-F", str(folder / "new"), "-l", str(folder / "config.ldif"))
    _slapadd(server, "-F", str(folder / "new"), "-b", SUFFIX, "-l", str(folder / "seed.ldif"))
    (folder / "new").rename(folder / "config")


def _slapadd(server: str, *words: str) -> None:
    subprocess.run([server, "-T", "add", *words], check=True, capture_output=True, text=True)


def _entries(content: Any) -> Iterator[str]:
    """People and groups as LDIF (RFC 2849)."""
    users = content["users"] if isinstance(content, dict) else content
    for user in users:
        yield _person(user)
    names = {user.get("id", user["userName"]): user["userName"] for user in users}
    for group in content.get("groups", ()) if isinstance(content, dict) else ():
        said = [one["value"] if isinstance(one, dict) else one for one in group.get("members", ())]
        members = [names.get(one, one) for one in said]
        lines = [f"dn: cn={group['displayName']},ou=groups,{SUFFIX}", "objectClass: groupOfNames"]
        lines += [f"cn: {group['displayName']}", f"member: {ADMIN}"]  # the class wants one member at least
        lines += [f"member: uid={name},ou=people,{SUFFIX}" for name in members]
        yield "\n" + "\n".join(lines) + "\n"


def _person(user: dict[str, Any]) -> str:
    name, more = user.get("name", {}), user.get(EXTENSION, {})
    whole = user.get("displayName") or user["userName"]
    values = [
        ("objectClass", "inetOrgPerson"),
        ("uid", user["userName"]),
        ("cn", whole),
        ("sn", name.get("familyName") or whole),
        ("givenName", name.get("givenName")),
        ("displayName", whole),
        *(("mail", one["value"]) for one in user.get("emails", ())),
        ("employeeNumber", more.get("employeeNumber")),
        ("departmentNumber", more.get("department")),
        ("title", user.get("title")),
        ("userPassword", user["userName"]),
        ("pwdAccountLockedTime", None if user.get("active", True) else "000001010000Z"),
    ]
    lines = [f"{attribute}: {value}" for attribute, value in values if value]
    return "\n" + "\n".join((f"dn: uid={user['userName']},ou=people,{SUFFIX}", *lines)) + "\n"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False


if __name__ == "__main__":
    sys.exit(main())
