"""The switch: a Lambda function that moves traffic between the fleet and the fallback.

It runs in AWS, so: the standard library, boto3, and nothing of llm-fleet but its own modules
(Python 3.11 or newer). ``provision.switch.handler.handler`` is what Lambda calls.
"""
