"""What AWS refuses and moto lets through, refused before it gets there.

``guard(client)`` or ``guard_session(session)`` puts the layer in front of boto3 clients: values are
checked against botocore's own service models (enums, patterns, lengths, required members), and
against rules that no model holds. A refusal is a ``ClientError``, as it would be from AWS. Only
rehearsal and tests use it; the product does not know it.
"""
