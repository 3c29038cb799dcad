"""The clicks of daily-records as a Celery task: SQLAlchemy Core, one transaction a task.

celery_peer.py worker       works until SIGTERM
celery_peer.py fill FILE    sends each line of FILE, one CloudEvents JSON, as one task
"""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from celery import Celery
from sqlalchemy import column, create_engine, make_url, table
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError

QUEUE = os.environ["QUEUE"]
CONCURRENCY = 2
PREFETCH = 200

app = Celery("peers", broker=os.environ["AMQP_URL"])
app.conf.update(
    task_default_queue=QUEUE,
    task_default_queue_type="quorum",
    task_default_exchange_type="topic",
    # Where Celery keeps tasks to be retried later: it declares 28 queues for that, idle here.
    broker_native_delayed_delivery_queue_type="classic",
    broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True,
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=PREFETCH // CONCURRENCY,
    worker_enable_remote_control=False,
)

engine = create_engine(make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2"))

CLICK_COLUMNS = ["source", "event_id", "domain", "code", "time", "ip", "user_agent", "referrer"]
click = table("peer_click", *map(column, CLICK_COLUMNS))
daily = table("peer_daily", *map(column, ["domain", "day", "code", "clicks"]))
insert_click = (
    insert(click)
    .on_conflict_do_nothing(index_elements=["source", "event_id"])
    .execution_options(preserve_rowcount=True)
)
count_click = insert(daily).on_conflict_do_update(
    index_elements=["domain", "day", "code"], set_={"clicks": daily.c.clicks + 1}
)


@app.task(name="peers.record_click", autoretry_for=(OperationalError,), retry_backoff=True, max_retries=None)
def record_click(event):
    data = event["data"]
    time = datetime.fromisoformat(event["time"])
    key = {"domain": event.get("domain", "default"), "code": data["code"]}
    row = key | {
        "source": event["source"],
        "event_id": event["id"],
        "time": time,
        "ip": data.get("ip"),
        "user_agent": data.get("user_agent"),
        "referrer": data.get("referrer"),
    }
    with engine.begin() as connection:
        if connection.execute(insert_click, row).rowcount == 1:
            connection.execute(count_click, key | {"day": time.astimezone(UTC).date(), "clicks": 1})


def work():
    with engine.begin() as connection:
        connection.exec_driver_sql(Path(__file__).with_name("schema.sql").read_text())
    # A connection must not be shared with the processes that are forked.
    engine.dispose()
    app.worker_main([
        "--quiet", "worker", "--pool=prefork", f"--concurrency={CONCURRENCY}", f"--queues={QUEUE}",
        "--loglevel=WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat",
    ])


def fill(file):
    with open(file, encoding="utf-8") as lines, app.producer_pool.acquire(block=True) as producer:
        for line in lines:
            record_click.apply_async((json.loads(line),), producer=producer)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["worker"]:
            work()
        case ["fill", file]:
            fill(file)
        case _:
            sys.exit(__doc__)
