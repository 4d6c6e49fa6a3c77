"""A real Kafka that lets nobody in without proof: listeners for every way to log in, and an authorizer that denies by default."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

from tests.support.certificates import Authority, Issued, self_signed
from tests.support.cluster import Cluster
from tests.support.kafka import admin_of
from tests.support.simulated import MODEL
from tests.support.worker_process import ERASURE_KEY, ROOT
from worker.demo.broker import EmbeddedBroker, cluster_id
from worker.demo.loopback import LOOPBACK, free_ports
from worker.kafka.acls import Grant, grants

Listener = Literal["secure", "mutual", "clear", "misnamed", "expired", "selfsigned"]
"""
`secure` SASL_SSL, `mutual` SSL with client certificates, `clear` SASL_PLAINTEXT; the others are as `secure`, with a
certificate for another host, one that has run out, and one that no authority has signed.
"""

USER = "leadscore"
PASSWORD = "canary pass=word 4711"
ADMIN = "tests"
ADMIN_PASSWORD = "tests-only"
_PROTOCOLS: Mapping[Listener, str] = {
    "secure": "SASL_SSL",
    "mutual": "SSL",
    "clear": "SASL_PLAINTEXT",
    "misnamed": "SASL_SSL",
    "expired": "SASL_SSL",
    "selfsigned": "SASL_SSL",
}
_MECHANISMS = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
_MODULES = {
    "plain": "org.apache.kafka.common.security.plain.PlainLoginModule required"
    f' username="broker" password="none" user_{USER}="{PASSWORD}" user_{ADMIN}="{ADMIN_PASSWORD}";',
    "scram-sha-256": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
    "scram-sha-512": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
}
_RESOURCES = {"topic": 2, "group": 3, "cluster": 4, "transactional-id": 5}
_PATTERNS = {"literal": 3, "prefixed": 4}
_OPERATIONS = {
    "Read": 3, "Write": 4, "Create": 5, "Delete": 6, "Alter": 7, "Describe": 8, "ClusterAction": 9,
    "DescribeConfigs": 10, "AlterConfigs": 11, "IdempotentWrite": 12,
}  # fmt: skip
_ALLOW = 3
_ANY = 1


class Ended(NamedTuple):
    """How a command has ended."""

    code: int
    said: str  # on both outputs


def ended_command(
    directory: Path, environ: Mapping[str, str], *arguments: str, within_s: float = 60.0, said: str = ""
) -> Ended:
    """Run a command to its end, whichever that is, with *said* on its standard input."""
    done = subprocess.run(
        [sys.executable, "-m", "worker.cli.main", *arguments],
        env={"PYTHONPATH": str(ROOT), "LEADSCORE_ERASURE_KEY": ERASURE_KEY, **environ},
        cwd=directory, capture_output=True, text=True, timeout=within_s, check=False, input=said,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout + done.stderr)


class SecureBroker(EmbeddedBroker):
    """
    The embedded broker with more listeners. `bootstrap_servers` stays one without log-in, for the tests alone: it is a super user's.

    Args:
        certificates: Where its authority and certificates lie.
    """

    def __init__(self, certificates: Path) -> None:
        super().__init__(ready_within_s=90.0)
        self.authority = Authority(certificates)
        self.stranger = Authority(certificates / "stranger", "an authority that nobody trusts")
        self.ports: dict[Listener, int] = {}
        stem = certificates / "listeners"
        own = Authority.issue
        self.shown: dict[Listener, Issued] = {
            "secure": own(self.authority, "broker"),
            "mutual": own(self.authority, "broker-mutual"),
            "misnamed": own(self.authority, "broker-misnamed", names=["kafka.elsewhere.example"]),
            "expired": own(self.authority, "broker-expired", is_expired=True),
            "selfsigned": self_signed(stem, "broker-selfsigned"),
        }

    def address(self, listener: Listener) -> str:
        """Return `host:port` of *listener*."""
        return f"{LOOPBACK}:{self.ports[listener]}"

    def environ(self, listener: Listener = "secure", mechanism: str = "SCRAM-SHA-512") -> dict[str, str]:
        """Return the LEADSCORE_* variables of a client that gets in at *listener*."""
        protocol = _PROTOCOLS[listener]
        found = {"LEADSCORE_BROKERS": self.address(listener), "LEADSCORE_SECURITY_PROTOCOL": protocol}
        if protocol.startswith("SASL"):
            found |= {
                "LEADSCORE_SASL_MECHANISM": mechanism,
                "LEADSCORE_SASL_USERNAME": USER,
                "LEADSCORE_SASL_PASSWORD": PASSWORD,
            }
        if protocol.endswith("SSL"):
            found["LEADSCORE_SSL_CA_LOCATION"] = str(self.authority.file)
        if listener == "mutual":
            client = self.authority.issue(USER, names=[])
            found |= {
                "LEADSCORE_SSL_CERTIFICATE_LOCATION": str(client.certificate),
                "LEADSCORE_SSL_KEY_LOCATION": str(client.key),
            }
        return found

    def change_password(self, password: str) -> None:
        """Let the user log in by SCRAM-SHA-512 with *password* alone from the next connection on."""
        change = f"SCRAM-SHA-512=[password={password}]"
        subprocess.run(
            [
                *self._java, "kafka.admin.ConfigCommand", "--bootstrap-server", self.bootstrap_servers, "--alter",
                "--add-config", change, "--entity-type", "users", "--entity-name", USER,
            ],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip

    async def allow(self, grants: Iterable[Grant], *, user: str = USER) -> None:
        """Let *user* do what *grants* say."""
        await self._alter(user, grants, is_allowed=True)

    async def forbid(self, grants: Iterable[Grant], *, user: str = USER) -> None:
        """Take *grants* from *user*, from its next request on."""
        await self._alter(user, grants, is_allowed=False)

    async def _alter(self, user: str, grants: Iterable[Grant], *, is_allowed: bool) -> None:
        entries = [
            (_RESOURCES[one.resource], one.name, _PATTERNS[one.pattern], f"User:{user}", "*", _OPERATIONS[one.operation], _ALLOW)
            for one in grants
        ]  # fmt: skip
        if not entries:
            return
        async with admin_of(self.bootstrap_servers) as admin:
            for entry in entries:
                request = (CreateAclsRequest if is_allowed else DeleteAclsRequest)(*entry)
                answer = await admin._client.send(admin._client.get_random_node(), request)
                for code, *text in answer.creation_responses if is_allowed else answer.filter_responses:
                    if code:
                        raise for_code(code)(str(text))

    def _configure(self) -> None:
        super()._configure()
        ports = free_ports(len(_PROTOCOLS))
        self.ports = dict(zip(_PROTOCOLS, ports, strict=True))
        file = self.directory / "server.properties"
        written = dict(line.split("=", 1) for line in file.read_text("utf-8").splitlines())
        opened = [f"{name.upper()}://{LOOPBACK}:{port}" for name, port in self.ports.items()]
        protocols = [f"{name.upper()}:{protocol}" for name, protocol in _PROTOCOLS.items()]
        written["listeners"] = ",".join([written["listeners"], *opened])
        written["advertised.listeners"] = ",".join([written["advertised.listeners"], *opened])
        written["listener.security.protocol.map"] = ",".join([written["listener.security.protocol.map"], *protocols])
        written |= {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:ANONYMOUS;User:{ADMIN}",
            "allow.everyone.if.no.acl.found": "false",
            "sasl.enabled.mechanisms": _MECHANISMS,
            "inter.broker.listener.name": "PLAINTEXT",
        }
        for name, protocol in _PROTOCOLS.items():
            prefix = f"listener.name.{name}."
            if protocol.startswith("SASL"):
                written |= {f"{prefix}{mechanism}.sasl.jaas.config": text for mechanism, text in _MODULES.items()}
            if protocol.endswith("SSL"):
                written |= {
                    f"{prefix}ssl.keystore.type": "PEM",
                    f"{prefix}ssl.keystore.location": str(self.shown[name].chain),
                    f"{prefix}ssl.truststore.type": "PEM",
                    f"{prefix}ssl.truststore.location": str(self.authority.file),
                    f"{prefix}ssl.client.auth": "required" if name == "mutual" else "none",
                    f"{prefix}ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/",
                }
        file.write_text("".join(f"{name}={value}\n" for name, value in written.items()), "utf-8")

    def _format(self) -> None:
        """Format as the embedded broker does, with the users that SCRAM knows."""
        if (self.directory / "data" / "meta.properties").exists():
            return
        scram = [
            option
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for user, password in ((USER, PASSWORD), (ADMIN, ADMIN_PASSWORD))
            for option in ("-S", f'{mechanism}=[name="{user}",password="{password}"]')
        ]
        properties = str(self.directory / "server.properties")
        arguments = ["format", "-t", cluster_id(uuid.uuid4().bytes), "-c", properties, *scram]
        with self.log_file.open("ab") as log:
            done = subprocess.run(
                [*self._java, "kafka.tools.StorageTool", *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, timeout=60, check=False,
            )  # fmt: skip
        if done.returncode:
            raise self._failure(f"its directory could not be formatted (exit {done.returncode})")


@contextmanager
def secure_broker(directory: Path) -> Iterator[SecureBroker]:
    """Start one, and stop it for good."""
    with SecureBroker(directory) as broker:
        yield broker


@asynccontextmanager
async def secured_cluster(
    broker: SecureBroker,
    directory: Path,
    *,
    listener: Listener = "secure",
    mechanism: str = "SCRAM-SHA-512",
    guarantee: str = "exactly_once",
    **environ: str,
) -> AsyncIterator[Cluster]:
    """
    Yield a cluster whose workers and commands come in at *listener*, with its topics made, and a supervisor.

    Its user may do what `leadscore topics acls` lists for `run`, and nothing else. The tests themselves look at the topics as
    a super user.
    """
    cluster = Cluster(
        broker.bootstrap_servers, directory, model=MODEL, guarantee=guarantee, **{**broker.environ(listener, mechanism), **environ}
    )  # fmt: skip
    making = grants(cluster.settings, "topics create")
    await broker.allow(making)
    await cluster.command("topics", "create")
    await broker.forbid(making)
    await broker.allow(grants(cluster.settings, "run"))
    supervisor = asyncio.create_task(cluster._supervise())
    try:
        yield cluster
    finally:
        supervisor.cancel()
        cluster.close()
        await asyncio.gather(supervisor, return_exceptions=True)
