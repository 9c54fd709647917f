"""The SDK: log what your language model does, and read it back.

The way of an event: observe, span, log or wrap_openai (event, snapshot, ids, context) -> buffer ->
scribe (encode) -> store (spool, segment) -> sender (retry, losses) -> transport ->
POST /v1/events. Reading back: api, records.
"""
