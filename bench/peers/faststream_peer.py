"""The clicks of daily-records as a FastStream subscriber: an asyncpg pool, up to 200 at once, until SIGTERM."""

import logging
import os
from datetime import UTC
from pathlib import Path

import asyncpg
import uvloop
from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, RabbitBroker, RabbitMessage, RabbitQueue
from pydantic import AwareDatetime, BaseModel

INSERT_CLICK = """
    INSERT INTO peer_click (source, event_id, domain, code, time, ip, user_agent, referrer)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (source, event_id) DO NOTHING
    RETURNING true
"""
COUNT_CLICK = """
    INSERT INTO peer_daily (domain, day, code, clicks) VALUES ($1, $2, $3, 1)
    ON CONFLICT (domain, day, code) DO UPDATE SET clicks = peer_daily.clicks + 1
"""


class Click(BaseModel):
    code: str
    ip: str | None = None
    user_agent: str | None = None
    referrer: str | None = None


class Event(BaseModel):
    source: str
    id: str
    domain: str = "default"
    time: AwareDatetime
    data: Click


# FastStream's own decoder does not take application/cloudevents+json for JSON.
async def decode(message: RabbitMessage) -> Event:
    return Event.model_validate_json(message.body)


async def main() -> None:
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=10, max_size=10) as pool:
        await pool.execute(Path(__file__).with_name("schema.sql").read_text())
        # The two lines that it logs a message are of this level, and below the logger's.
        broker = RabbitBroker(os.environ["AMQP_URL"], log_level=logging.DEBUG)

        @broker.subscriber(
            RabbitQueue(os.environ["QUEUE"], declare=False),
            channel=Channel(prefetch_count=200),
            decoder=decode,
            ack_policy=AckPolicy.NACK_ON_ERROR,
        )
        async def record_click(event: Event) -> None:
            data = event.data
            async with pool.acquire() as connection, connection.transaction():
                if await connection.fetchval(
                    INSERT_CLICK, event.source, event.id, event.domain, data.code,
                    event.time, data.ip, data.user_agent, data.referrer,
                ):  # fmt: skip
                    day = event.time.astimezone(UTC).date()
                    await connection.execute(COUNT_CLICK, event.domain, day, data.code)

        await FastStream(broker).run()


if __name__ == "__main__":
    uvloop.run(main())
