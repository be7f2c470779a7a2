"""The host program: applies releases, warms and watches the engine, claims the cache volume.

It runs on the host, so: Python 3.9 syntax (Amazon Linux 2023), the standard library, boto3 where
AWS is called, and nothing of llm-fleet but its own modules.
"""
