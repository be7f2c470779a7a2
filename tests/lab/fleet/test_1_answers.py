"""What clients get from a fleet that `fab rehearse --keep` left standing."""

from __future__ import annotations

import json

import pytest

from tests.lab.fleet.standing import Fleet

pytestmark = pytest.mark.lab


class TestRehearsal:
    def test_its_json_is_the_fixed_one(self, fleet: Fleet) -> None:
        """Scripts find endpoint, key, hosts, release, times and the answer."""
        said = fleet.said

        assert said["ok"] is True
        assert said["endpoint"] == "http://10.97.0.2"
        assert said["api_key"].startswith("sk-fleet-")
        assert len(said["hosts"]) == 2
        assert said["release"] == fleet.release(said["hosts"][0])
        assert {tuple(sorted(step)) for step in said["steps"]} == {("name", "seconds")}
        assert sum(step["seconds"] for step in said["steps"]) > 30
        assert said["answer"]
        assert said["streamed_chunks"] > 1
        assert said["left_behind"] == []
        assert set(said["waterfalls"]) == set(said["hosts"])

    def test_both_hosts_take_traffic(self, fleet: Fleet) -> None:
        """The load balancer's own word, and it knows no others."""
        assert fleet.health() == dict.fromkeys(fleet.said["hosts"], "healthy")


class TestAnswers:
    def test_an_answer_comes_from_our_own_engine(self, fleet: Fleet) -> None:
        """Whole, under the model's real name, marked with its tier."""
        asked = fleet.ask()

        assert (asked.status, asked.tier) == (200, "primary")
        assert asked.body["model"] == "mistral-7b"
        assert asked.body["choices"][0]["message"]["role"] == "assistant"
        assert 1 <= asked.body["usage"]["completion_tokens"] <= 8

    def test_a_stream_comes_token_by_token(self, fleet: Fleet) -> None:
        """Server-sent events with a delta each, ended by [DONE]."""
        asked = fleet.ask(stream=True, max_tokens=12, ignore_eos=True)

        events = [line[6:] for line in asked.body.splitlines() if line.startswith("data: ")]
        assert (asked.status, asked.tier) == (200, "primary")
        assert events[-1] == "[DONE]"
        deltas = [json.loads(event)["choices"][0]["delta"] for event in events[:-1]]
        assert len(deltas) >= 12

    def test_requests_are_spread_over_the_hosts(self, fleet: Fleet) -> None:
        """Each of two hosts serves some of twenty, and each request is served once."""
        asked = [fleet.ask(max_tokens=1) for _ in range(20)]

        shares = [len(fleet.served(host, asked)) for host in fleet.said["hosts"]]
        assert {one.status for one in asked} == {200}
        assert min(shares) > 0
        assert sum(shares) == 20


class TestRefused:
    @pytest.mark.parametrize("key", ["", "sk-fleet-wrong", "something-else"])
    def test_without_a_good_key(self, fleet: Fleet, key: str) -> None:
        """401 in the shape that OpenAI clients understand."""
        asked = fleet.ask(key=key)

        assert asked.status == 401
        assert asked.body["error"]["code"] == "invalid_api_key"

    @pytest.mark.parametrize("path", ["/metrics", "/v1/embeddings", "/invocations", "/tokenize"])
    def test_paths_that_are_not_for_clients(self, fleet: Fleet, path: str) -> None:
        """The engine has more doors than clients see."""
        assert fleet.ask(path=path).status == 404
