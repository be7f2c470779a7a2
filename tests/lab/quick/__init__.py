"""An engine that starts in a second and behaves as vLLM was measured to: for tests of real hosts.

It stands below the code under test, so that faults can be had at will: see ``vllm/settings.py`` for
them, and ``test_contract.py`` for what it shares with the real one.
"""
