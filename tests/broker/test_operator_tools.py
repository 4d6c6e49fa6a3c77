"""The operator's commands beside a running worker: lag, dead letters, one contact; and what they leave in the topics."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from tests.support.cluster import PARTITIONS, Cluster, running_cluster
from tests.support.feeding import send_now
from tests.support.kafka import Sent, read_all, wait_until
from tests.support.stories import brief, happened, shown_day, tell, told_by
from tests.support.worker_process import ERASURE_KEY, ROOT
from worker.contracts.partitioner import partition_of
from worker.pipeline.graves import grave_key

MODEL = """\
model: desk
version: 1
lateness: 3d
rules:
  - {rule: form, when: {type: form.submitted}, points: 60, once_per: properties.form}
qualify:
  when: {score: {at_least: 100}}
"""
JANE = "jane-of-canary-street"
LARA = "lara-of-another-street"
TOKEN = "a-token-of-sixteen-and-more"
HERS = partition_of(JANE.encode(), PARTITIONS)


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out, f"exit {self.code}: {self.err}"
        return json.loads(self.out)

    def audit(self, event: str) -> dict[str, Any]:
        (found,) = [json.loads(line) for line in self.err.splitlines() if f'"{event}"' in line]
        return dict(found)


async def run(cluster: Cluster, *arguments: str, stdin: str = "", environ: Mapping[str, str] | None = None) -> Ran:
    """Run the command `leadscore` as an operator of *cluster* would, whatever its exit code."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEADSCORE_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "worker.cli.main", *arguments,
        env={**kept, "PYTHONPATH": str(ROOT), **cluster.environ, **(environ or {})}, cwd=cluster.directory,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 120)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ran(process.returncode or 0, out.decode(), err.decode())


def model_file(directory: Path) -> str:
    path = directory / "desk.yaml"
    path.write_text(MODEL, "utf-8")
    return str(path)


def form(contact: str, number: float) -> bytes:
    return happened(contact, "form.submitted", number, f"form@{number}", form=f"form {number}")


def sent(contact: str, value: bytes, partition: int | None = None, *headers: tuple[str, bytes]) -> Sent:
    place = partition_of(contact.encode(), PARTITIONS) if partition is None else partition
    return Sent(place, contact.encode(), value, headers)


async def source_records(cluster: Cluster) -> list[Any]:
    return [one for each in (await read_all(cluster.brokers, cluster.source)).values() for one in each]


def test_lag_says_who_owns_what_and_how_far_behind_it_is(brokers: str, tmp_path: Path) -> None:
    async def go() -> None:
        async with running_cluster(brokers, tmp_path, model=model_file(tmp_path)) as cluster:
            before = await run(cluster, "lag", "--output", "json")
            assert (before.code, before.json["state"]) == (0, "Dead")
            cluster.start("desk-0")
            await cluster.wait_ready("desk-0", partitions=PARTITIONS)
            await tell(cluster, form(JANE, 1), form(LARA, 1))
            idle = await run(cluster, "lag", "--max-records", "0", "--max-seconds", "0", "--output", "json")
            assert (idle.code, idle.json["state"], idle.json["lag_records"]) == (0, "Stable", 0)
            assert [one["partition"] for one in idle.json["partitions"]] == list(range(PARTITIONS))
            assert all(one["owner"]["member"].startswith("desk-0") for one in idle.json["partitions"])
            assert all(one["owner"]["host"] for one in idle.json["partitions"])
            ends = {place.partition: end for place, end in (await cluster.ends(cluster.source)).items()}
            assert {one["partition"]: one["committed_offset"] or 0 for one in idle.json["partitions"]} == ends

            await cluster.stop()
            await send_now(cluster.brokers, cluster.source, [sent(JANE, form(JANE, 2)), sent(JANE, form(JANE, 3))])
            late = await run(cluster, "lag", "--max-records", "1", "--output", "json")
            hers = late.json["partitions"][HERS]
            assert (late.code, late.json["lag_records"], hers["lag_records"]) == (1, 2, 2)
            assert hers["lag_seconds"] > 0
            assert hers["first_uncommitted_at"] is not None
            assert "lag is 2 records, allowed are 1" in late.err
            assert (await run(cluster, "lag", "--max-records", "2")).code == 0
            assert (await run(cluster, "lag", "--max-seconds", "0")).code == 1
            shown = await run(cluster, "lag")
            assert cluster.name in shown.out
            assert "lag of 2 records" in shown.out

    asyncio.run(go())


@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_dead_letters_are_listed_without_contact_data_and_sent_again_once(
    brokers: str, tmp_path: Path, guarantee: str
) -> None:
    """If this fails, operators see whose letters these are, or a second run counts people's events twice."""

    async def go() -> None:
        async with running_cluster(brokers, tmp_path, model=model_file(tmp_path), guarantee=guarantee) as cluster:
            cluster.start("desk-0")
            await cluster.wait_ready("desk-0", partitions=PARTITIONS)
            elsewhere = (HERS + 1) % PARTITIONS
            mark = ("leadscore.forwarded", b"0:0:0")  # as if forwarding had not brought it home
            await send_now(
                cluster.brokers,
                cluster.source,
                [
                    sent(JANE, form(JANE, 1), elsewhere, mark, ("trace", b"canary-trace")),
                    sent(JANE, b"no JSON of canary-jane"),
                    sent(LARA, form(LARA, 1)),
                ],
            )
            await cluster.settled()

            listed = await run(cluster, "dlq", "list", "--output", "json")
            counts = {(one["code"], one["partition"]): one["dead_letters"] for one in listed.json["counts"]}
            assert counts == {("event.misplaced", elsewhere): 1, ("event.not_json", HERS): 1}
            assert {one["source_topic"] for one in listed.json["newest"]} == {cluster.source}
            text = await run(cluster, "dlq", "list", "--by", "day")
            place = f"{elsewhere}:0"
            closed = await run(cluster, "dlq", "show", place)
            for one in (listed, text, closed):
                assert one.code == 0
                assert "canary" not in one.out + one.err
            assert "event.misplaced" in closed.out
            opened = await run(cluster, "dlq", "show", place, "--reveal", "--output", "json")
            assert (opened.json["key"], json.loads(opened.json["value"])["contact_id"]) == (JANE, JANE)
            assert {"name": "trace", "value": "canary-trace"} in opened.json["headers"]
            assert "canary" not in json.dumps(opened.audit("dead_letter_revealed"))
            assert (await run(cluster, "dlq", "show", "0:999")).code == 78

            before = len(await source_records(cluster))
            dry = await run(cluster, "dlq", "replay", "--code", "event.misplaced")
            assert dry.code == 0
            assert "1 dead letter would be sent" in dry.out
            assert len(await source_records(cluster)) == before

            done = await run(cluster, "dlq", "replay", "--code", "event.misplaced", "--yes", "--output", "json")
            assert (done.code, done.json["sent"]) == (0, {"event.misplaced": 1})
            line = done.audit("dead_letters_replayed")
            assert (line["sent"], line["codes"]) == (1, {"event.misplaced": 1})
            await cluster.settled()
            (again,) = [one for one in await source_records(cluster) if dict(one.headers).get("leadscore.replayed")]
            assert (again.partition, again.key, again.value) == (HERS, JANE.encode(), form(JANE, 1))
            assert dict(again.headers) == {"trace": b"canary-trace", "leadscore.replayed": b"1"}
            shown = (await run(cluster, "contact", "show", JANE, "--output", "json")).json
            assert shown["models"][0]["score"] == 60

            second = await run(cluster, "dlq", "replay", "--code", "event.misplaced", "--yes", "--output", "json")
            assert second.json["sent"] == {}
            assert list(second.json["passed_over"].values()) == [1]
            forced = await run(
                cluster, "dlq", "replay", "--code", "event.misplaced", "--again", "--yes", "--output", "json"
            )
            assert forced.json["sent"] == {"event.misplaced": 1}
            await cluster.settled()
            shown = (await run(cluster, "contact", "show", JANE, "--output", "json")).json
            assert shown["models"][0]["score"] == 60  # its event id counts once

            assert (await run(cluster, "dlq", "replay", "--code", "event.not_json", "--yes")).code == 0
            await cluster.settled()
            letters = (await run(cluster, "dlq", "list", "--output", "json")).json["newest"]
            assert sorted(one["replays"] for one in letters if one["code"] == "event.not_json") == [0, 1]
            looped = await run(
                cluster, "dlq", "replay", "--code", "event.not_json", "--max-replays", "1", "--output", "json"
            )
            assert looped.json["sent"] == {}
            assert sum(looped.json["passed_over"].values()) == 2

    asyncio.run(go())


async def ask(port: int, path: str, token: str | None = TOKEN) -> tuple[int, Any]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as answer,
    ):
        body = await answer.read()
        return answer.status, json.loads(body) if answer.content_type == "application/json" else body.decode()


def test_contact_is_shown_exported_and_erased(brokers: str, tmp_path: Path) -> None:
    """If this fails, a person who asks what is held about them, or to be forgotten, gets a wrong answer."""

    async def go() -> None:
        environ = {"LEADSCORE_WEB_TOKEN": TOKEN}
        async with running_cluster(brokers, tmp_path, model=model_file(tmp_path), **environ) as cluster:
            worker = cluster.start("desk-0")
            await cluster.wait_ready("desk-0", partitions=PARTITIONS)
            await send_now(
                cluster.brokers,
                cluster.source,
                [
                    sent(JANE, form(JANE, 1)),
                    Sent((HERS + 1) % PARTITIONS, None, form(JANE, 2)),  # forwarded under her id
                    sent(LARA, form(LARA, 2)),
                    sent(JANE, b"no JSON of canary-jane"),
                ],
            )
            await cluster.settled()
            assert brief(await told_by(cluster)) == [(JANE, "lead.sales_ready", 1)]

            shown = await run(cluster, "contact", "show", "-", "--output", "json", stdin=f"{JANE}\n")
            (hers,) = shown.json["models"]
            assert (shown.code, hers["score"], hers["status"], hers["told"]["sequence"]) == (0, 120, "ready", 1)
            assert hers["as_of"] == shown_day(2)
            assert shown.json["partition"] == HERS
            text = await run(cluster, "contact", "show", JANE)
            assert "= score" in text.out
            assert "What sales was told:" in text.out
            assert (await run(cluster, "contact", "show", "nobody")).code == 1

            port = (await worker.wait_for("worker_starts"))["web_port"]
            status, page = await ask(port, f"/contacts/{JANE}")
            assert (status, page) == (200, shown.json)
            assert (await ask(port, "/contacts/nobody"))[0] == 404
            assert (await ask(port, f"/contacts/{JANE}", "another token of sixteen"))[0] == 401
            assert (await ask(port, f"/contacts/{JANE}", None))[0] == 401
            metrics = (await cluster.page(worker, "/metrics")).decode()
            assert 'leadscore_contact_lookups_total{code="200"} 1.0' in metrics
            assert "canary" not in metrics + worker.log_text()

            out = tmp_path / "hers.json"
            exported = await run(cluster, "contact", "export", JANE, "--out", str(out))
            assert exported.code == 0, exported.err
            assert out.stat().st_mode & 0o777 == 0o600
            document = json.loads(out.read_text("utf-8"))
            assert [one["value"]["occurred_at"] for one in document["events"] if isinstance(one["value"], dict)] != []
            assert len(document["events"]) == 4  # two forms, one of them forwarded, and what is no JSON
            assert [one["value"]["kind"] for one in document["qualifications"]] == ["lead.sales_ready"]
            assert document["scores"][-1]["value"]["models"]["desk"]["score"] == 120
            assert [one["code"] for one in document["dead_letters"]] == ["event.not_json"]
            assert document["models"] == shown.json["models"]
            assert LARA not in out.read_text("utf-8")
            hashed = grave_key(JANE.encode(), ERASURE_KEY.encode())[1:].hex()
            assert exported.audit("contact_exported")["contact_hash"] == hashed
            assert "canary" not in exported.err

            before = len(await source_records(cluster))
            dry = await run(cluster, "contact", "erase", JANE)
            assert (dry.code, len(await source_records(cluster))) == (0, before)
            assert f"[{HERS}]" in dry.out
            gone = await run(cluster, "contact", "erase", JANE, "--yes", "--wait", "--output", "json")
            assert (gone.code, gone.json["seen"], gone.json["partition"]) == (0, "erased", HERS)
            assert gone.audit("contact_erasure_sent")["contact_hash"] == hashed
            assert "canary" not in gone.out + gone.err
            await cluster.settled()
            after = await run(cluster, "contact", "show", JANE, "--output", "json")
            assert (after.code, after.json["models"]) == (1, [])
            assert after.json["erased_at"] is not None
            status, page = await ask(port, f"/contacts/{JANE}")
            assert (status, page["models"], page["erased_at"]) == (200, [], after.json["erased_at"])
            assert (await run(cluster, "contact", "show", LARA)).code == 0

            await cluster.stop()
            alone = await run(cluster, "contact", "erase", LARA, "--yes", "--wait", "--within", "1")
            assert alone.code == 1
            assert "is a worker running?" in alone.out

    asyncio.run(go())


def test_worker_answers_for_its_own_partitions_only(brokers: str, tmp_path: Path) -> None:
    async def go() -> None:
        environ = {"LEADSCORE_WEB_TOKEN": TOKEN}
        async with running_cluster(brokers, tmp_path, model=model_file(tmp_path), **environ) as cluster:
            workers = [cluster.start("desk-0"), cluster.start("desk-1")]
            await cluster.wait_ready("desk-0", partitions=PARTITIONS // 2)
            await cluster.wait_ready("desk-1", partitions=PARTITIONS // 2)
            await tell(cluster, form(JANE, 1))
            ports = [(await worker.wait_for("worker_starts"))["web_port"] for worker in workers]
            answers = [await ask(port, f"/contacts/{JANE}") for port in ports]
            assert sorted(status for status, _ in answers) == [200, 421]
            (elsewhere,) = [document for status, document in answers if status == 421]
            assert elsewhere["partition"] == HERS
            assert "leadscore lag" in elsewhere["problem"]
            owners = (await run(cluster, "lag", "--output", "json")).json["partitions"]
            knowing = next(number for number, (status, _) in enumerate(answers) if status == 200)
            assert owners[HERS]["owner"]["member"].startswith(f"desk-{knowing}")

    asyncio.run(go())


def test_dropped_model_leaves_nothing_behind(brokers: str, tmp_path: Path) -> None:
    """If this fails, what a model of last year knew of people stays for ever."""

    async def go() -> None:
        kept = model_file(tmp_path)
        gone = tmp_path / "gone.yaml"
        gone.write_text(MODEL.replace("model: desk", "model: gone"), "utf-8")
        async with running_cluster(brokers, tmp_path, model=f"{kept},{gone}") as cluster:
            cluster.start("desk-0")
            await cluster.wait_ready("desk-0", partitions=PARTITIONS)
            await tell(cluster, form(JANE, 1), form(LARA, 1), form(LARA, 2))
            assert (await run(cluster, "model", "drop", "gone", "--yes")).code == 78
            await cluster.stop()
            cluster.environ["LEADSCORE_MODELS"] = kept
            cluster.start("desk-0")
            await cluster.wait_ready("desk-0", partitions=PARTITIONS)

            dry = await run(cluster, "model", "drop", "gone", "--output", "json")
            hers = sorted({HERS, partition_of(LARA.encode(), PARTITIONS)})
            assert (dry.code, dry.json["is_dry"], dry.json["partitions"]) == (0, True, hers)
            assert any(b"gone" in value for value in (await cluster.stored()).values())
            done = await run(cluster, "model", "drop", "gone", "--yes")
            assert done.code == 0, done.err
            assert done.err.count("model_dropped") == len(hers)

            async def is_gone() -> bool:
                stored = await cluster.stored()
                return not any(b"gone" in key + value for (_, key), value in stored.items())

            await tell(cluster, form(JANE, 3))  # the owner finds out at its next round at the latest, and starts again
            await wait_until(is_gone, within_s=90, what="states of the model gone", every_s=1)
            await cluster.settled()
            assert cluster.restarts >= 1
            shown = (await run(cluster, "contact", "show", LARA, "--output", "json")).json
            assert [one["score"] for one in shown["models"]] == [120]
            assert [one["status"] for one in shown["models"]] == ["ready"]
            again = await run(cluster, "model", "drop", "gone", "--output", "json")
            assert again.json["partitions"] == []

    asyncio.run(go())
